/** Bits of a ticket's `flags` (section 4). */

export const DELEGABLE = 1
export const PASSWORD = 2

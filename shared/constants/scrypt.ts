/** Bounds on the parameters a client accepts for a password (section 8). */

export const LOG2N = 17
export const LOG2N_MAX = 20
export const R = 8
export const P = 1

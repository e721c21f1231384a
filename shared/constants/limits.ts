/** Limits on what is received (section 3). */

export const MESSAGE_BYTES = 64 * 1024
export const TICKET_BYTES = 4 * 1024
export const SERVICES = 32
export const CAVEATS = 16
export const CAVEATS_BYTES = 2 * 1024
export const CLAIMS = 32
export const CLAIMS_BYTES = 2 * 1024
export const DEPTH = 8
export const AUTHORIZATION_BYTES = 8 * 1024

/** Sizes in bytes. */

export const KEY = 32
export const MAC = 32
export const NONCE = 16
export const DIGEST = 32
export const SEAL_NONCE = 24
export const TAG = 16
export const TICKET_ID = 16
export const CLIENT_ID = 8
export const LOG_ID = 16
export const MARK = 8
export const SALT = 16
export const KEY_SALT = 32
export const CHECK = 4
export const REPLAY_ID = 16

/** Message types (section 3). */

export const AS_REQ = 0x01
export const AS_REP = 0x02
export const TGS_REQ = 0x03
export const TGS_REP = 0x04
export const ERROR = 0x05
export const ERROR_AUTHENTICATED = 0x06
export const TICKET = 0x07
export const AP_REQ = 0x08
export const AP_REP = 0x09
export const AP_OPEN = 0x0a
export const AP_ACCEPT = 0x0b
export const RECORD = 0x0c
export const PARAMS_REQ = 0x0d
export const PARAMS_REP = 0x0e

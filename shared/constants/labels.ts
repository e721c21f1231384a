/** Texts at the start of what is hashed, MAC'd or bound as aad. Within each of these uses all of them differ. */

export const EXPAND = 'orthrus/1 '
export const SALT = 'orthrus/1 salt'
export const CAVEAT = 'orthrus/1 caveat'
export const BOTH = 'orthrus/1 both'
export const HAND_OFF = 'orthrus/1 hand-off'
export const HTTP_REQUEST = 'orthrus/1 http'
export const HTTP_RESPONSE = 'orthrus/1 http-response'
export const CHANNEL = 'orthrus/1 channel'
export const NEXT_KEY = 'orthrus/1 next-key'
export const LOCK_NAME = 'orthrus/1 lock name'
export const STATE = 'orthrus/1 state'
export const SHARED_CACHE = 'orthrus/1 shared cache'

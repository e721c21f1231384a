/** The names of the headers that the HTTP binding knows (docs/protocol.md section 8, HTTP binding). */

export const COVERED_REQUEST_HEADERS = [
  'content-type',
  'content-encoding',
  'range',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'if-range',
  'orthrus-credential',
] as const

export const COVERED_RESPONSE_HEADERS = ['content-type', 'content-range', 'location'] as const

/** Headers that make frameworks treat a request as a different one. They are refused, whatever their value. */
export const OVERRIDE_HEADERS = [
  'x-http-method-override',
  'x-method-override',
  'x-http-method',
  'x-original-url',
  'x-rewrite-url',
] as const

export const CREDENTIAL_HEADER = 'orthrus-credential'

/** Names the further headers that a request or response covers. */
export const FURTHER_HEADER = 'orthrus-covered'

/** Of a response alone it may stand several times among the further headers. */
export const SET_COOKIE = 'set-cookie'

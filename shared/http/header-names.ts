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

/** Says that a body is sealed, if `SEALED_ENCODING` is its only value (section 8, Sealed bodies). */
export const ENCODING_HEADER = 'content-encoding'
export const SEALED_ENCODING = 'orthrus'

/** With the value `ACCEPTS_RECORDS` a client says that it reads sealed responses. If it covers it, it reads no others. */
export const ACCEPT_HEADER = 'orthrus-accept'
export const ACCEPTS_RECORDS = 'records'

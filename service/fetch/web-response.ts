/** Handlers written in JavaScript return other things too, and several classes of `Response` are about. */
export function isResponse(value: unknown): value is Response {
  if (typeof value !== 'object' || value === null) return false
  const { status, headers, body } = value as Partial<Response>
  return typeof status === 'number' && typeof headers?.getSetCookie === 'function' && body !== undefined
}

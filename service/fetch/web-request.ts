/** @throws TypeError that says what to do, if it is no request of this kind */
export function requireRequest(request: unknown): void {
  if (isRequest(request)) return
  throw new TypeError(
    'requireTicket of orthrus/fetch-handler takes a web-standard Request; orthrus/service has the one for node:http, Express and Connect',
  )
}

export function isRequest(value: unknown): value is Request {
  if (typeof value !== 'object' || value === null) return false
  const { method, url, headers, body } = value as Partial<Request>
  const isHead = typeof method === 'string' && typeof url === 'string'
  return isHead && typeof headers?.entries === 'function' && body !== undefined
}

import type { ServerResponse } from 'node:http'
import { variesBy } from '../request/cors.js'
import type { Header } from '../request/message.js'
import { AttachedState } from './attached-state.js'
import { type GivenHeaders, groupHeaders } from './headers.js'

/**
 * Headers that a response has whatever becomes of it, a refusal or the 500 of a handler that failed included. Error
 * handlers of frameworks remove all headers, and a page of another origin could not even see that it was refused.
 */
class StandingHeaders extends AttachedState {
  readonly #headers: readonly Header[]

  constructor(res: ServerResponse, headers: readonly Header[]) {
    super(res)
    this.#headers = headers
  }

  static of(res: ServerResponse): readonly Header[] | undefined {
    return #headers in res ? res.#headers : undefined
  }
}

type SetHeader = (name: string, value: string) => unknown

/** Sets headers that will be there when the response is sent, whoever sends it. The first of several calls decides. */
export function keepHeaders(res: ServerResponse, headers: readonly Header[]): void {
  if (StandingHeaders.of(res) !== undefined || res.headersSent) return
  new StandingHeaders(res, headers)
  const set: SetHeader = (name, value) => res.setHeader(name, value)
  restoreHeaders(res, set)
  // Where no gate sends the response, its handler does, who may have set one of them to something else.
  const { writeHead } = res
  res.writeHead = (status: number, reason?: string | GivenHeaders, headers?: GivenHeaders) => {
    if (res.headersSent) return Reflect.apply(writeHead, res, [status, reason, headers])
    const given = typeof reason === 'string' ? headers : (headers ?? reason)
    for (const [name, value] of groupHeaders(given)) res.setHeader(name, value)
    restoreHeaders(res, set)
    return Reflect.apply(writeHead, res, typeof reason === 'string' ? [status, reason] : [status])
  }
}

/** Sets them again, just before the response is proved or sent. `vary` is added to, the others are replaced. */
export function restoreHeaders(res: ServerResponse, set: SetHeader): void {
  const headers = StandingHeaders.of(res)
  if (headers === undefined) return
  for (const [name, value] of headers) {
    set(name, name === 'vary' ? variesBy([res.getHeader(name) ?? []].flat().join(', '), value) : value)
  }
}

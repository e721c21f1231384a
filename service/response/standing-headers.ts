import type { ServerResponse } from 'node:http'
import { variesBy } from '../request/cors.js'
import type { Header } from '../request/message.js'
import { AttachedState } from './attached-state.js'

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

/** Sets headers that will be there when the response is sent. The first of several calls decides. */
export function keepHeaders(res: ServerResponse, headers: readonly Header[]): void {
  if (StandingHeaders.of(res) !== undefined || res.headersSent) return
  new StandingHeaders(res, headers)
  restoreHeaders(res, (name, value) => res.setHeader(name, value))
}

/** Sets them again, just before the response is proved or sent. `vary` is added to, the others are replaced. */
export function restoreHeaders(res: ServerResponse, set: SetHeader): void {
  const headers = StandingHeaders.of(res)
  if (headers === undefined) return
  for (const [name, value] of headers) {
    set(name, name === 'vary' ? variesBy([res.getHeader(name) ?? []].flat().join(', '), value) : value)
  }
}

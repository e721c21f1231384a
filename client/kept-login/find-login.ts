import type { SourceOptions, TicketSource } from '../cache/ticket-source.js'

/** For platforms without files. `find-login.node.ts` has the same function. */

/** What few pages need is loaded when one does. */
export const loadKeytabLogin = () => import('../login/keytab-login.js')

/** What `connect` is told of the login. */
export interface WantedLogin {
  readonly login: string | true
  readonly realm?: string | undefined
  readonly loginFolder?: string | undefined
}

export interface FoundLogin {
  /** Where its tickets come from. */
  readonly kdc: readonly string[]
  source(options: SourceOptions): TicketSource
}

/** @throws TypeError always: a browser has no files */
export async function findLogin(_wanted: WantedLogin): Promise<FoundLogin> {
  throw new TypeError('there are no files here: log in with { principal, password }')
}

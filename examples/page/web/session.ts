import { type ClientTelemetryEvent, connect, OrthrusError, type Realm } from 'orthrus/client'

/** Logs the person in, or goes on with the login that another page of this origin has. */

/** Where everything is. In a project of your own these may well be constants. */
export interface Places {
  readonly kdc: string
  /** Of short names: whoever types `ann` is `ann@demo.example`. */
  readonly realm: string
  /** The origin of the service, which is another one than that of this page. */
  readonly orders: string
}

export interface Listeners {
  /** Everything that the client does, of which this page shows what was proved. */
  readonly onEvent: (event: ClientTelemetryEvent) => void
  /** The person has logged out in another page. */
  readonly onLogout: () => void
}

/** @returns undefined if no other page has a login, so that the person has to give a password */
export async function goOn({ kdc, orders }: Places, listeners: Listeners): Promise<Realm | undefined> {
  try {
    return await connect({ kdc, login: true, services: { [orders]: 'orders' }, ...listeners })
  } catch (error) {
    if (hasEnded(error)) return undefined
    throw error
  }
}

/** @param onProgress told how much of the password's work is done, from 0 to 1 */
export function logIn(
  { kdc, realm, orders }: Places,
  listeners: Listeners,
  { principal, password }: { readonly principal: string; readonly password: string },
  onProgress: (done: number) => void,
): Promise<Realm> {
  const services = { [orders]: 'orders' }
  return connect({ kdc, realm, principal, password, onProgress, keepLogin: 'tabs', services, ...listeners })
}

/** Whether there is no login, or no longer: the person has to give the password. */
export function hasEnded(error: unknown): boolean {
  return error instanceof OrthrusError && error.code === 'login_invalid'
}

/** What to tell the person. */
export function saidOf(error: unknown): string {
  if (error instanceof OrthrusError && error.code === 'password_wrong')
    return 'That name or password is wrong.'
  return error instanceof Error ? error.message : String(error)
}

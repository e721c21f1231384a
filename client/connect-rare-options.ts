import { requireJoin } from '../shared/keytab/join-option.js'
import { requireRotation } from '../shared/keytab/rotation-option.js'
import type { ConnectOptions } from './connect-options.js'

/**
 * Checks the options of `connect` that few programs give, and that a page loads this for.
 * @throws TypeError for values and combinations that there are not
 */
export function requireRareOptions(options: ConnectOptions): void {
  if (options.login !== undefined) requireLogin(options)
  requireKept(options)
  if ('rotation' in options) requireRotation('connect', options)
  if ('join' in options) requireJoin('connect', options)
}

/** @throws TypeError for a login together with another identity, since it must be clear who acts */
function requireLogin(options: ConnectOptions): void {
  const others = (['keytab', 'password', 'credential', 'principal'] as const).filter(
    name => options[name] !== undefined,
  )
  if (others.length > 0) throw new TypeError(`login and ${others[0]} of connect are two identities: give one`)
  const { login } = options as { readonly login: unknown }
  if (login === true || typeof login === 'string') return
  throw new TypeError("login of connect is a name such as 'ann@demo.example', or true for the only login")
}

/** @throws TypeError for a way of keeping a login that there is not, and for another identity, whose login nobody keeps */
function requireKept(options: Pick<ConnectOptions, 'login' | 'password'> & KeptOptions): void {
  const { keepLogin, onLogout, password, login } = options
  if (keepLogin !== undefined && keepLogin !== 'tabs' && keepLogin !== 'storage')
    throw new TypeError("keepLogin of connect is 'tabs' or 'storage', or left out")
  if (keepLogin !== undefined && password === undefined)
    throw new TypeError('keepLogin of connect is for a login with principal and password')
  if (onLogout === undefined) return
  if (typeof onLogout !== 'function') throw new TypeError('onLogout of connect is a function')
  if (keepLogin === undefined && login === undefined)
    throw new TypeError('onLogout of connect needs keepLogin or login: no other login ends elsewhere')
}

interface KeptOptions {
  readonly keepLogin?: unknown
  readonly onLogout?: unknown
}

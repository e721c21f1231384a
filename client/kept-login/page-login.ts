import { toHex } from '../../shared/bytes.js'
import { systemRandom } from '../../shared/crypto/random.js'
import type { Principal } from '../../shared/principal.js'
import { loginMeant, loginsMeant } from './choose-login.js'
import type { KeptLogin } from './kept-login.js'
import { KeptSource } from './kept-source.js'
import { pageHint } from './page-hint.js'
import { StoredLogins } from './stored-logins.js'
import { TabLogins } from './tab-logins.js'
import type { FoundLogin, NewLogin, WantedLogin } from './wanted-login.js'

/** The logins of a page: in the pages of its origin that are open, or in the browser's storage (docs/browsers.md). */

let logins: { readonly tabs: TabLogins; readonly stored: StoredLogins } | undefined

function pageLogins() {
  if (typeof BroadcastChannel === 'undefined' || typeof indexedDB === 'undefined')
    throw new TypeError('this platform keeps no logins: log in with { principal, password }')
  if (logins === undefined) {
    const tabs = new TabLogins()
    logins = { tabs, stored: new StoredLogins(tabs) }
  }
  return logins
}

/** @throws OrthrusError `login_invalid` if there is none, or several and none is named */
export async function findPageLogin({ login: name, realm }: WantedLogin): Promise<FoundLogin> {
  const { tabs, stored } = pageLogins()
  const choice = { name: name === true ? undefined : name, realm }
  const kept = loginsMeant(globalThis.isSecureContext ? await stored.list() : [], choice)
  const from = kept.length > 0 ? stored : tabs
  const client = loginMeant(kept.length > 0 ? kept : await tabs.list(), choice, pageHint)
  return found(await from.read(client), from)
}

/** Keeps a login that was made just now. */
export async function keepPageLogin(made: NewLogin, where: 'tabs' | 'storage'): Promise<FoundLogin> {
  const { tabs, stored } = pageLogins()
  const login: KeptLogin = { id: toHex(systemRandom(16)), parameters: null, tickets: [], ...made }
  if (where === 'tabs') return found(login, tabs)
  await stored.write(login)
  return found(login, stored)
}

/** @throws OrthrusError `login_invalid`; TypeError where no login can be kept, before anybody waits for a password's work */
export async function requireKeeping(where: 'tabs' | 'storage'): Promise<void> {
  const { stored } = pageLogins()
  if (where === 'storage') await stored.requireUsable()
}

function found(login: KeptLogin, from: TabLogins | StoredLogins): FoundLogin {
  if (from instanceof TabLogins) from.hold(login)
  const client: Principal = login.client
  return {
    kdc: login.kdc,
    source: options => new KeptSource(login, from, options),
    whenEnded: run => from.whenEnded(client, run),
  }
}

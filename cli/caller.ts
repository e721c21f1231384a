import { connect } from '../client/connect.js'
import { silentLogger } from '../shared/logger.js'
import { type Principal, principalIn } from '../shared/principal.js'
import { parseCredential } from '../shared/ticket/credential.js'
import { type ConnectionOptions, hasLogin, kdcUrls, type Sizes, withRealm } from './connection.js'
import { credentialFrom, explained, holderOf, serviceOf } from './credential-use.js'
import { chooseLogin } from './logins.js'
import type { Terminal } from './terminal.js'

/**
 * The party that makes a request: a principal by its own key, a delegate beside its own ticket, or the bearer of a
 * credential.
 */

export interface CallerOptions extends ConnectionOptions {
  readonly service?: string
  readonly credential?: string
  readonly allowBearerCredential?: boolean
}

export interface Caller {
  readonly service: Principal
  /** Whether only the service can have made its answers. */
  readonly serviceProved: boolean
  fetch(url: string, init: RequestInit): Promise<Response>
}

export interface CallerSettings extends Sizes {
  /** What the requests are sent with. Default: the platform's. */
  readonly fetch?: typeof globalThis.fetch
}

/** @throws OrthrusError `credential_invalid`; and as `connect` and `use` do. @throws TypeError */
export async function withCaller(
  terminal: Terminal,
  options: CallerOptions,
  settings: CallerSettings,
  use: (caller: Caller) => Promise<void>,
): Promise<void> {
  if (options.credential === undefined) return withOwnTicket(terminal, options, settings, use)
  const text = await credentialFrom(options.credential)
  const credential = parseCredential(text)
  // A credential that names nobody is used alone, unless it is said who else acts.
  const kept =
    holderOf(credential) === undefined ? undefined : await chooseLogin(terminal, options, [credential.client])
  const withLogin = hasLogin(terminal, options) || kept !== undefined
  const service = serviceOf(credential, { ...options, withLogin })
  const allowed = { allowBearerCredential: options.allowBearerCredential === true }
  try {
    if (withLogin) {
      await withRealm(
        terminal,
        options,
        realm => {
          const ticket = realm.import(text, allowed)
          const { serviceProved } = ticket
          const fetch: Caller['fetch'] = (url, init) => realm.fetch(url, { ...init, service, ticket })
          return use({ service, serviceProved, fetch })
        },
        { ...settings, services: [credential.client] },
      )
    } else {
      const kdc = await kdcUrls(terminal, options)
      const realm = await connect({ kdc, credential: text, ...allowed, ...settings, logger: silentLogger })
      const fetch: Caller['fetch'] = (url, init) => realm.fetch(url, { ...init, service })
      await use({ service, serviceProved: false, fetch }).finally(() => realm.close())
    }
  } catch (cause) {
    throw explained(credential, cause)
  }
}

function withOwnTicket(
  terminal: Terminal,
  options: CallerOptions,
  settings: CallerSettings,
  use: (caller: Caller) => Promise<void>,
): Promise<void> {
  const name = options.service
  if (name === undefined) throw new TypeError('say which service must answer: --service NAME')
  return withRealm(
    terminal,
    options,
    realm => {
      const service = principalIn(realm.realm, name)
      return use({
        service,
        serviceProved: true,
        fetch: (url, init) => realm.fetch(url, { ...init, service }),
      })
    },
    { ...settings, services: [name] },
  )
}

import { administrationOf, type ConnectedAdministration } from '../../client/admin.js'
import { connect, connectAs } from '../../client/connect.js'
import { type KeptLogin, noLogin } from '../../client/kept-login/kept-login.js'
import { KeptSource, type LoginFiles } from '../../client/kept-login/kept-source.js'
import { partsOf, type Realm } from '../../client/realm.js'
import type { ServiceTicket } from '../../client/ticket/service-ticket.js'
import { silentLogger } from '../../shared/logger.js'
import type { Principal } from '../../shared/principal.js'

/**
 * A login of a person: the password becomes a key, the key a TGT, and then neither the password nor the key is there any
 * more. The TGT is in the memory of the page alone, is never renewed, and so ends after some hours whatever the page does.
 */

export interface Login {
  /** Short, or with the realm. */
  readonly principal: string
  readonly password: string
}

/** What a login gives. */
export interface LoggedIn {
  readonly administration: ConnectedAdministration
  /** Over a channel of its own: the KDC answers the calls of a channel in turn, and one that follows the audit log waits. */
  readonly following: ConnectedAdministration
  readonly me: Principal
  /** What the KDC vouches for: `role` is `admin` for who administrates. */
  readonly claims: ServiceTicket['claims']
  /** The KDC's time, milliseconds. */
  readonly now: () => number
}

/** The KDC behind the page: of its own origin. */
export function kdcUrl({ protocol, host }: Pick<Location, 'protocol' | 'host'>): string {
  return `${protocol === 'https:' ? 'wss' : 'ws'}://${host}/kdc`
}

/** The realm of the KDC behind the page, which the page was told when it was sent. */
export function realmOfPage(): string {
  return document.querySelector<HTMLMetaElement>('meta[name="realm"]')?.content ?? ''
}

/**
 * @param onProgress how much of the work on the password is done, from 0 to 1
 * @throws OrthrusError with the KDC's code; TypeError if the name is none
 */
export async function logIn(login: Login, onProgress: (done: number) => void): Promise<LoggedIn> {
  const kept = await passwordToLogin(login, onProgress)
  const realm = await connectAs(
    { kdc: kept.kdc, source: options => new KeptSource(kept, inMemory(kept), options) },
    { logger: silentLogger },
  )
  try {
    const { claims } = await realm.getServiceTicket('kdc')
    const following = administrationOf(realm)
    const administration = administrationOf(realm, () => {
      following.close()
      realm.close()
    })
    await administration.ready()
    return { administration, following, me: realm.client, claims, now: timeOf(realm) }
  } catch (cause) {
    realm.close()
    throw cause
  }
}

async function passwordToLogin(login: Login, onProgress: (done: number) => void): Promise<KeptLogin> {
  const kdc = [kdcUrl(location)]
  const realm = await connect({ ...login, kdc, realm: realmOfPage(), logger: silentLogger, onProgress })
  try {
    const own = partsOf(realm).source.login
    if (own === undefined) throw new TypeError('a login with a password has a key')
    const granted = await own.renewableTgt(0)
    return {
      id: '',
      client: realm.client,
      kdc,
      parameters: null,
      tgt: { ...granted, renewTill: null },
      tickets: [],
    }
  } finally {
    realm.close()
  }
}

/** There is no file: nothing is read again, and nothing is written. */
function inMemory({ client }: KeptLogin): LoginFiles {
  return {
    read: async () => {
      throw noLogin(client, 'has ended')
    },
    amend: async () => {},
  }
}

function timeOf(realm: Realm): () => number {
  const parts = partsOf(realm)
  return () => parts.now()
}

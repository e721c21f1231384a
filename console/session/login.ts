import { administrationOf, type ConnectedAdministration } from '../../client/admin.js'
import { connect, connectAs } from '../../client/connect.js'
import type { KeptLogin } from '../../client/kept-login/kept-login.js'
import { KeptSource } from '../../client/kept-login/kept-source.js'
import { TabLogins, type TabLoginsOptions } from '../../client/kept-login/tab-logins.js'
import { isPrivateUrl } from '../../client/login/password.js'
import { partsOf, type Realm } from '../../client/realm.js'
import type { ServiceTicket } from '../../client/ticket/service-ticket.js'
import { toHex } from '../../shared/bytes.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { silentLogger } from '../../shared/logger.js'
import { type Principal, realmOf } from '../../shared/principal.js'

/**
 * A login of a person: the password becomes a key, the key a TGT, and then neither the password nor the key is there any
 * more. The TGT is in the memory of the tabs that go by it, is never renewed, and so ends after some hours whatever they do.
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
  /** One more channel, for what waits: whoever takes it closes it. */
  readonly another: () => ConnectedAdministration
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

/** The logins that the tabs of the console in one browser share. Nothing of them is stored. */
export class Logins {
  readonly #tabs: TabLogins
  #current: LoggedIn | undefined

  /** @param told what other tabs tell */
  constructor(told: Required<Pick<TabLoginsOptions, 'began' | 'ended'>>) {
    this.#tabs = new TabLogins({ ...told, mayGive: client => this.#isAtKdc(client) })
  }

  /**
   * Logs in, and tells the other tabs.
   * @param onProgress how much of the work on the password is done, from 0 to 1
   * @throws OrthrusError with the KDC's code; TypeError if the name is none
   */
  async logIn(login: Login, onProgress: (done: number) => void): Promise<LoggedIn> {
    const loggedIn = await this.#connect(await passwordToLogin(login, onProgress))
    this.#tabs.tell(loggedIn.me)
    return loggedIn
  }

  /** Whose logins other tabs have. */
  async elsewhere(): Promise<Principal[]> {
    return (await this.#tabs.list()).filter(client => realmOf(client) === realmOfPage())
  }

  /** Goes on with the login that another tab has. @throws OrthrusError `login_invalid` if none has it; the KDC's code */
  async goOn(client: Principal): Promise<LoggedIn> {
    return this.#connect(await this.#tabs.read(client))
  }

  /** Goes on with a login that another tab told of. @throws OrthrusError */
  take(login: KeptLogin): Promise<LoggedIn> {
    return this.#connect(login)
  }

  /** Logs somebody out in all tabs. */
  logOut(client: Principal): void {
    void this.#tabs.erase(client)
  }

  /** Whatever KDC the login names: the page has one. */
  async #connect(kept: KeptLogin): Promise<LoggedIn> {
    const tabs = this.#tabs
    tabs.hold(kept)
    const realm = await connectAs(
      {
        kdc: [kdcUrl(location)],
        source: options => new KeptSource(kept, tabs, options),
        whenEnded: run => tabs.whenEnded(kept.client, run),
      },
      { logger: silentLogger },
    )
    try {
      const { claims } = await realm.getServiceTicket('kdc')
      const another = (): ConnectedAdministration => administrationOf(realm)
      const following = another()
      const administration = administrationOf(realm, () => {
        following.close()
        realm.close()
      })
      await administration.ready()
      const loggedIn = { administration, following, another, me: realm.client, claims, now: timeOf(realm) }
      this.#current = loggedIn
      return loggedIn
    } catch (cause) {
      realm.close()
      throw cause
    }
  }

  /**
   * Another tab is given a login only while the KDC proves itself to this one: where the KDC does not run, somebody else may
   * listen in its place, and send a page that asks.
   */
  async #isAtKdc(client: Principal): Promise<boolean> {
    if (this.#current?.me !== client) return false
    try {
      await this.#current.administration.ready()
      return true
    } catch {
      return false
    }
  }
}

async function passwordToLogin(login: Login, onProgress: (done: number) => void): Promise<KeptLogin> {
  const kdc = [kdcUrl(location)]
  if (!kdc.every(url => isPrivateUrl(new URL(url)))) {
    throw new TypeError(
      'This page came from another machine without TLS: whoever is on the way can change it, and have your password. Open it by https, or through a tunnel, as ssh -L 8760:127.0.0.1:8760',
    )
  }
  const realm = await connect({ ...login, kdc, realm: realmOfPage(), logger: silentLogger, onProgress })
  try {
    const own = partsOf(realm).source.login
    if (own === undefined) throw new TypeError('a login with a password has a key')
    const granted = await own.renewableTgt(0)
    return {
      id: toHex(systemRandom(16)),
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

function timeOf(realm: Realm): () => number {
  const parts = partsOf(realm)
  return () => parts.now()
}

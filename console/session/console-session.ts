import { type Signal, signal } from '@preact/signals'
import type { ConnectedAdministration } from '../../client/admin.js'
import type { AuditLine } from '../../shared/administration/audit-line.js'
import type { Principal, RealmName } from '../../shared/principal.js'
import { SECOND } from '../../shared/time.js'
import { type Cancel, runEvery, sleep, systemTimers } from '../../shared/timers.js'
import { type Failure, refusedNow } from '../parts/act.js'
import { announce } from '../parts/announce.js'
import { changedBy } from './changes.js'
import { endOfLogin, endsLogin } from './failures.js'
import { FollowedAudit } from './live-audit.js'
import type { LoggedIn } from './login.js'
import { CHANGE_KINDS, type ChangeKind, type Session } from './session.js'

/** How long it waits before it asks again after a failure, milliseconds. */
const PAUSE = SECOND
/** How often views read again where no audit log tells of changes, and how often the connection is looked at then. */
const POLL = 30 * SECOND

/** A login, what follows the realm with it, and what becomes of both. */
export class ConsoleSession implements Session {
  readonly realm: RealmName
  readonly me: Principal
  readonly live: FollowedAudit
  readonly changed: Readonly<Record<ChangeKind, Signal<number>>>
  readonly link = signal<'connected' | 'lost'>('connected')
  /** Why the login has ended, once it has: then the person is asked for the password. */
  readonly ended = signal<Failure | null>(null)
  #login: LoggedIn
  #again: () => void = () => {}
  #isClosed = false
  readonly #cancelPoll: Cancel
  readonly #look = (): void => this.#pollNow()

  constructor(login: LoggedIn) {
    this.#login = login
    this.realm = login.administration.realm
    this.me = login.me
    this.changed = { principals: signal(0), policy: signal(0), invitations: signal(0), realm: signal(0) }
    this.live = new FollowedAudit({
      administration: () => this.#login.following,
      now: () => this.now(),
      failed: cause => this.#failed(cause),
      found: () => this.#found(),
    })
    this.live.subscribe(line => this.#heard(line))
    void this.live.follow()
    this.#cancelPoll = runEvery(systemTimers, POLL, this.#look)
    addEventListener('focus', this.#look)
  }

  get administration(): ConnectedAdministration {
    return this.#login.administration
  }

  async aside<T>(calls: (administration: ConnectedAdministration) => Promise<T>): Promise<T> {
    const administration = this.#login.another()
    try {
      return await calls(administration)
    } finally {
      administration.close()
    }
  }

  now(): number {
    return this.#login.now()
  }

  /** Goes on with another login of the same person: views keep what they have, and read again. */
  renew(login: LoggedIn): void {
    this.#login.administration.close()
    this.#login = login
    this.ended.value = null
    this.#found()
    this.#allMoved()
    this.#again()
    announce('Logged in again.')
  }

  /** Logs out: nothing of it is left. */
  close(): void {
    this.#isClosed = true
    this.live.end()
    this.#again()
    this.#cancelPoll()
    removeEventListener('focus', this.#look)
    this.administration.close()
    refusedNow.value = null
  }

  /** @returns once it is time to try again */
  async #failed(cause: unknown): Promise<void> {
    if (this.#isClosed) return
    if (!endsLogin(cause)) {
      this.#lost()
      return sleep(systemTimers, PAUSE)
    }
    this.ended.value = endOfLogin(cause)
    refusedNow.value = 'Your login has ended.'
    return new Promise(resolve => {
      this.#again = resolve
    })
  }

  #lost(): void {
    if (this.link.value === 'lost') return
    this.link.value = 'lost'
    refusedNow.value = 'The connection to the KDC is lost.'
    announce('The connection to the KDC is lost.')
  }

  #found(): void {
    const wasLost = this.link.value === 'lost'
    refusedNow.value = null
    this.link.value = 'connected'
    if (!wasLost) return
    announce('The connection to the KDC is back.')
    // Whatever was changed meanwhile was not heard.
    this.#allMoved()
  }

  /** Where no audit log tells of changes, views read again by and by, and when somebody comes back to the page. */
  #pollNow(): void {
    if (this.live.state.value !== 'none' || this.ended.value !== null) return
    this.administration.ready().then(
      () => {
        this.#found()
        this.#allMoved()
      },
      (cause: unknown) => void this.#failed(cause),
    )
  }

  #heard(line: AuditLine): void {
    for (const kind of changedBy(line)) this.changed[kind].value += 1
  }

  #allMoved(): void {
    for (const kind of CHANGE_KINDS) this.changed[kind].value += 1
  }
}

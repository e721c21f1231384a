import { type Signal, signal } from '@preact/signals'
import type { ConnectedAdministration } from '../../client/admin.js'
import type { AuditLine } from '../../shared/administration/audit-line.js'
import type { Principal, RealmName } from '../../shared/principal.js'
import { refusedNow } from '../parts/act.js'
import { changedBy } from './changes.js'
import { FollowedAudit } from './live-audit.js'
import { CHANGE_KINDS, type ChangeKind, type Session } from './session.js'

/** What a login gives. */
export interface LoggedIn {
  readonly administration: ConnectedAdministration
  readonly me: Principal
  readonly now: () => number
}

export class ConsoleSession implements Session {
  readonly realm: RealmName
  readonly me: Principal
  readonly live: FollowedAudit
  readonly changed: Readonly<Record<ChangeKind, Signal<number>>>
  readonly link = signal<'connected' | 'lost'>('connected')
  readonly #loggedIn: LoggedIn

  constructor(loggedIn: LoggedIn) {
    this.#loggedIn = loggedIn
    this.realm = loggedIn.administration.realm
    this.me = loggedIn.me
    this.changed = { principals: signal(0), policy: signal(0), invitations: signal(0), realm: signal(0) }
    this.live = new FollowedAudit({
      administration: () => this.administration,
      now: () => this.now(),
      failed: () => this.#lost(),
      found: () => this.#found(),
    })
    this.live.subscribe(line => this.#heard(line))
    void this.live.follow()
  }

  get administration(): ConnectedAdministration {
    return this.#loggedIn.administration
  }

  now(): number {
    return this.#loggedIn.now()
  }

  /** Logs out: nothing of it is left. */
  close(): void {
    this.live.end()
    this.administration.close()
    refusedNow.value = null
  }

  #lost(): void {
    this.link.value = 'lost'
    refusedNow.value = 'The connection to the KDC is lost.'
  }

  #found(): void {
    if (this.link.value === 'connected') return
    refusedNow.value = null
    this.link.value = 'connected'
    // Whatever was changed meanwhile was not heard.
    for (const kind of CHANGE_KINDS) this.#moved(kind)
  }

  #heard(line: AuditLine): void {
    for (const kind of changedBy(line)) this.#moved(kind)
  }

  #moved(kind: ChangeKind): void {
    this.changed[kind].value += 1
  }
}

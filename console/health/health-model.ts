import { type Signal, signal } from '@preact/signals'
import type { AuditLine } from '../../shared/administration/audit-line.js'
import type { DueKey } from '../../shared/administration/keys.js'
import type { RealmSummary } from '../../shared/administration/realm.js'
import type { Followers } from '../../shared/administration/revocations.js'
import { kdcService, ticketGrantingService } from '../../shared/principal.js'
import { type Failure, failureOf } from '../parts/act.js'
import { FollowedLines } from '../session/followed-lines.js'
import type { Session } from '../session/session.js'
import type { OwnKey } from './findings.js'
import { readNotes } from './kdc-notes.js'

/** What the KDC answered, or why it did not; undefined as long as it was not asked. */
export type Answer<T> = { readonly value: T } | { readonly failure: Failure } | undefined

/** What is known of the health of the realm, each part by itself: one that fails hides no other. */
export class HealthModel {
  readonly realm: Signal<Answer<RealmSummary>> = signal(undefined)
  readonly followers: Signal<Answer<Followers>> = signal(undefined)
  readonly due: Signal<Answer<readonly DueKey[]>> = signal(undefined)
  readonly ownKeys: Signal<Answer<readonly OwnKey[]>> = signal(undefined)
  readonly openInvitations: Signal<Answer<number>> = signal(undefined)
  readonly notes: Signal<Answer<readonly AuditLine[]>> = signal(undefined)
  /** The last line that was heard. */
  readonly last: Signal<AuditLine | undefined> = signal(undefined)
  readonly lines: FollowedLines
  readonly #session: Session

  constructor(session: Session) {
    this.#session = session
    this.lines = new FollowedLines(session, line => {
      this.last.value = line
    })
  }

  /** What changes by itself, and costs the KDC little. */
  async look(): Promise<void> {
    const { administration } = this.#session
    await Promise.all([
      answer(this.realm, () => administration.settings.show()),
      answer(this.followers, async () => {
        const all = await administration.revocations.followers({ seq: 0, wait: 0 })
        const newest = all.rows.reduce((most, { sent }) => Math.max(most, sent), 0)
        // Where there are more than one answer holds, those come first that are behind.
        return await administration.revocations.followers({ seq: newest, wait: 0 })
      }),
    ])
  }

  /** What the KDC reads all of its records for, or much of its log. */
  async lookCloser(): Promise<void> {
    const { administration, realm } = this.#session
    const now = this.#session.now()
    await Promise.all([
      answer(this.due, async () => {
        const due: DueKey[] = []
        for await (const key of administration.keys.due()) due.push(key)
        return due
      }),
      answer(this.ownKeys, () =>
        Promise.all(
          ([ticketGrantingService(realm), kdcService(realm)] as const).map(async (name, i) => {
            const { kvnos, keyCreatedAt, createdAt } = await administration.show(name)
            return { name: OWN[i] ?? 'kdc', kvno: kvnos[0] ?? 0, createdAt: keyCreatedAt ?? createdAt }
          }),
        ),
      ),
      answer(this.openInvitations, async () => {
        let open = 0
        for await (const { withdrawn, endsAt, used, uses } of administration.invitations.list())
          if (!withdrawn && endsAt > now && used < uses) open++
        return open
      }),
      answer(this.notes, () => readNotes(administration.audit, now)),
    ])
  }

  end(): void {
    this.lines.end()
  }
}

const OWN = ['krbtgt', 'kdc'] as const

async function answer<T>(into: Signal<Answer<T>>, ask: () => Promise<T>): Promise<void> {
  try {
    into.value = { value: await ask() }
  } catch (cause) {
    // What was known before stays to be seen while the connection is lost.
    if (into.value === undefined || !('value' in into.value)) into.value = { failure: failureOf(cause) }
  }
}

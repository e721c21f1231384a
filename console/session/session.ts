import type { ReadonlySignal } from '@preact/signals'
import type { ConnectedAdministration } from '../../client/admin.js'
import type { AuditLine } from '../../shared/administration/audit-line.js'
import type { Principal, RealmName } from '../../shared/principal.js'

/** What a view has to do with: a person who is logged in, and the realm as that person may see it. */
export interface Session {
  /** Typed calls over the person's own channel. Take it anew for each call: after another login it is another one. */
  readonly administration: ConnectedAdministration
  /**
   * Makes calls of which one waits for something, over a channel of their own: the KDC answers the calls of a channel in turn, so
   * those of the views would wait too.
   */
  aside<T>(calls: (administration: ConnectedAdministration) => Promise<T>): Promise<T>
  readonly realm: RealmName
  readonly me: Principal
  /** The KDC's time, milliseconds. */
  now(): number
  /** The KDC's audit log as it is written. */
  readonly live: LiveAudit
  /** A number that grows when anybody changed something of that kind. A view reads again when its own moves. */
  readonly changed: Readonly<Record<ChangeKind, ReadonlySignal<number>>>
  /** `lost`: views stay as they are, dimmed, and acts are refused. */
  readonly link: ReadonlySignal<'connected' | 'lost'>
}

export const CHANGE_KINDS = ['principals', 'policy', 'invitations', 'realm'] as const
export type ChangeKind = (typeof CHANGE_KINDS)[number]

export interface LiveAudit {
  /** Called with each line from now on, in order. @returns ends that */
  subscribe(listener: (line: AuditLine) => void): () => void
  /** `none`: the KDC keeps no audit log, or this person may not read it. */
  readonly state: ReadonlySignal<'following' | 'lost' | 'none'>
}

export interface ViewProps {
  readonly session: Session
  /** What follows the view's name in the address, decoded. */
  readonly rest: readonly string[]
}

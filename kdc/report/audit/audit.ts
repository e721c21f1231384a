import { OrthrusError } from '../../../shared/errors.js'
import type { EventOf, KdcEvent } from '../events.js'
import type { Listener } from '../report.js'
import { isAudited } from './entry-of.js'
import { AuditQuotas, type AuditShares } from './quotas.js'
import { type AuditState, AuditWriter, type AuditWriterOptions } from './writer.js'

/** The audit log of a KDC that runs. */
export interface Audit {
  readonly directory: string
  readonly listener: Listener
  readonly state: AuditState
  /** For metrics. */
  use(): { readonly backlog: number }
  /** @throws OrthrusError `unavailable` if what waits cannot be written */
  requireWritable(): Promise<void>
  /** Resolves when a line after the one of that number was written, or after that time. */
  written(after: number, milliseconds: number): Promise<void>
  /** Ends every wait for another line. */
  endWaits(): void
  /** Tells the KDC's log a mark of what is written by then. */
  mark(): Promise<void>
  close(): Promise<void>
}

export interface AuditOptions extends AuditWriterOptions {
  readonly shares: AuditShares
}

/** What is on stable storage before it is done, or answered. */
const ACTS: ReadonlySet<KdcEvent['kind']> = new Set(['record_changing', 'record_changed', 'records_read'])

/**
 * Opens the audit log of a KDC, or begins one. Exchanges are taken in memory and written soon, so that no answer waits
 * for the disk. Acts of administration wait for it, and are refused while it cannot be written.
 * @throws the system's error
 */
export async function openAudit(options: AuditOptions): Promise<Audit> {
  const { clock, directory } = options
  const writer = await AuditWriter.open(options)
  const quotas = new AuditQuotas(options.shares, () => clock.monotonic())
  const listener: Listener = event => {
    if (!isAudited(event)) return undefined
    quotas.tellOmitted(event.kind === 'kdc_closed', fields => writer.appendFields(fields))
    if (!quotas.take(event)) return undefined
    const hasRoom = writer.append(event)
    return ACTS.has(event.kind) ? writeAct(writer, event as Act, hasRoom) : undefined
  }
  return {
    directory,
    listener,
    get state() {
      return writer.state
    },
    use: () => ({ backlog: writer.state.backlog }),
    requireWritable: () => writer.requireWritable(),
    written: (after, milliseconds) => writer.written(after, milliseconds),
    endWaits: () => writer.endWaits(),
    mark: () => writer.mark(),
    close: () => writer.close(),
  }
}

type Act = EventOf<'record_changing'> | EventOf<'record_changed'> | EventOf<'records_read'>

async function writeAct(writer: AuditWriter, { kind }: Act, hasRoom: boolean): Promise<void> {
  try {
    if (!hasRoom) throw await writer.refused()
    await writer.settled()
  } catch (cause) {
    if (kind !== 'record_changed' || !(cause instanceof OrthrusError)) throw cause
    // That it was about to be made is in the log already.
    throw new OrthrusError('unavailable', `the change was made, but ${cause.reason} any more`, {
      cause,
      hint: `${cause.facts.hint}; look before you repeat the change: orthrus admin show, or orthrus admin policy`,
    })
  }
}

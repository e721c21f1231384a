import { statfs } from 'node:fs/promises'
import { OrthrusError } from '../../shared/errors.js'
import { SECOND } from '../../shared/time.js'
import { clockFault } from '../realm/clock-report.js'
import type { OpenRealm } from '../realm/realm.js'
import { RECORD_KIND } from '../store/store.js'
import { REALM_RECORD_NAME } from '../vault/records.js'
import type { DiskUse } from './numbers.js'

/** What is looked at. `clock` never makes a KDC unready: another process on the machine would have the same clock. */
export const READINESS_CHECKS = [
  'listening',
  'store',
  'current',
  'writable',
  'master_key',
  'disk',
  'audit',
  'clock',
] as const
export type ReadinessCheck = (typeof READINESS_CHECKS)[number]

export interface ReadinessProblem {
  readonly check: ReadinessCheck
  readonly reason: string
  /** What to do next, if that is known. */
  readonly hint?: string
}

/** Whether a KDC can do all of its work. */
export interface Readiness {
  readonly ready: boolean
  /** Empty if all is well. */
  readonly problems: readonly ReadinessProblem[]
}

export interface ReadinessParts {
  readonly realm: OpenRealm
  readonly isListening: () => boolean
  /** Rejects if the master key is no longer where it was read from, or opens nothing. `undefined` if it has no file. */
  readonly requireMasterKey: (() => Promise<void>) | undefined
  /** Room in the folder of the data. `undefined` without one. */
  readonly disk: (() => Promise<DiskUse>) | undefined
  /** Rejects if the audit log cannot be written. `undefined` without one. */
  readonly requireAudit?: (() => Promise<void>) | undefined
}

/** How long an answer is good for, milliseconds: each takes a write to the disk, and anybody may ask. */
const KEPT = SECOND

/** Finds out whether a KDC can do all of its work, once for all who ask at about the same time. */
export class ReadinessProbe {
  readonly #parts: ReadinessParts
  #latest: Promise<Readiness> | undefined
  #askedAt = 0

  constructor(parts: ReadinessParts) {
    this.#parts = parts
  }

  /** Never rejects. */
  read(): Promise<Readiness> {
    const now = this.#parts.realm.time.monotonic()
    if (this.#latest === undefined || now - this.#askedAt >= KEPT) {
      this.#askedAt = now
      this.#latest = this.#look()
    }
    return this.#latest
  }

  /**
   * Whether the KDC listens, its store answers, and it has seen all changes: whether it can grant tickets. Never rejects.
   */
  async canServe(): Promise<boolean> {
    const problems = [
      this.#listening(),
      this.#current(),
      await this.#failure('store', () => this.#requireStore()),
    ]
    return problems.every(problem => problem === undefined)
  }

  async #look(): Promise<Readiness> {
    const { realm, requireMasterKey, disk, requireAudit } = this.#parts
    const found = await Promise.all([
      this.#listening(),
      this.#failure('store', () => this.#requireStore()),
      this.#current(),
      this.#failure('writable', () => realm.vault.requireWritable()),
      this.#failure('master_key', requireMasterKey),
      this.#failure('disk', disk && (async () => requireRoom(await disk()))),
      this.#failure('audit', requireAudit),
      this.#clock(),
    ])
    const problems = found.filter(problem => problem !== undefined)
    return { ready: problems.every(({ check }) => check === 'clock'), problems }
  }

  #listening(): ReadinessProblem | undefined {
    if (this.#parts.isListening()) return undefined
    return { check: 'listening', reason: 'the KDC accepts no connections: it is closing' }
  }

  /** Where several KDCs share the store: whether this one has seen all changes. */
  #current(): ReadinessProblem | undefined {
    const fault = this.#parts.realm.vault.replica?.fault
    return fault && problemOf('current', fault)
  }

  async #requireStore(): Promise<void> {
    const found = await this.#parts.realm.vault.read(RECORD_KIND.REALM, REALM_RECORD_NAME.REALM)
    if (found === undefined) throw new OrthrusError('unavailable', 'the store has no realm any more')
  }

  #clock(): ReadinessProblem | undefined {
    const reason = clockFault(this.#parts.realm.time.look())
    return reason === undefined ? undefined : { check: 'clock', reason }
  }

  async #failure(
    check: ReadinessCheck,
    run: (() => Promise<void>) | undefined,
  ): Promise<ReadinessProblem | undefined> {
    try {
      await run?.()
      return undefined
    } catch (cause) {
      // Whatever else was thrown may say anything, and this is shown to whoever asks.
      if (!(cause instanceof OrthrusError))
        return { check, reason: 'it failed; the log of the KDC may say why' }
      return problemOf(check, cause)
    }
  }
}

function problemOf(check: ReadinessCheck, { reason, facts: { hint } }: OrthrusError): ReadinessProblem {
  return { check, reason, ...(hint === undefined ? {} : { hint }) }
}

const MEBIBYTE = 2 ** 20

function requireRoom({ free, required }: DiskUse): void {
  if (free >= required) return
  const [has, needs] = [free, required].map(bytes => `${Math.floor(bytes / MEBIBYTE)} MiB`)
  throw new OrthrusError(
    'unavailable',
    `the disk of the data folder has ${has} left of the ${needs} required`,
    {
      hint: 'free some space: with a full disk the KDC grants tickets, and refuses every change',
    },
  )
}

/** Reads how much room there is in a folder. @param required bytes */
export async function roomIn(folder: string, required: number): Promise<DiskUse> {
  const { bavail, blocks, bsize } = await statfs(folder)
  return { free: bavail * bsize, size: blocks * bsize, required }
}

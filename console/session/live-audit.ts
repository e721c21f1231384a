import { signal } from '@preact/signals'
import type { ConnectedAdministration } from '../../client/admin.js'
import type { AuditFilter } from '../../shared/administration/audit.js'
import type { AuditLine } from '../../shared/administration/audit-line.js'
import { OrthrusError } from '../../shared/errors.js'
import type { LiveAudit } from './session.js'

export interface FollowedAuditOptions {
  readonly administration: () => ConnectedAdministration
  /** The KDC's time, milliseconds. */
  readonly now: () => number
  /** Called with the cause each time that it fails. @returns once it is time to try again */
  readonly failed: (cause: unknown) => Promise<void>
  /** Called when lines can be read again. */
  readonly found: () => void
}

/** Follows the audit log of the KDC from now on, and goes on behind the last line once a lost connection is back. */
export class FollowedAudit implements LiveAudit {
  readonly state = signal<'following' | 'lost' | 'none'>('following')
  readonly #options: FollowedAuditOptions
  readonly #listeners = new Set<(line: AuditLine) => void>()
  readonly #ended = new AbortController()
  #since: number
  #last: AuditLine | undefined

  constructor(options: FollowedAuditOptions) {
    this.#options = options
    this.#since = options.now()
  }

  subscribe(listener: (line: AuditLine) => void): () => void {
    // The same function given twice is two listeners.
    const own = (line: AuditLine): void => listener(line)
    this.#listeners.add(own)
    return () => this.#listeners.delete(own)
  }

  /** Runs until it is ended, or turns out to be none. Never rejects. */
  async follow(): Promise<void> {
    const { signal } = this.#ended
    while (!signal.aborted) {
      try {
        await this.#read()
      } catch (cause) {
        if (signal.aborted) return
        if (isNone(cause)) {
          this.state.value = 'none'
          return
        }
        this.state.value = 'lost'
        await this.#options.failed(cause)
      }
    }
  }

  end(): void {
    this.#ended.abort()
  }

  async #read(): Promise<void> {
    const administration = this.#options.administration()
    await administration.ready()
    this.#options.found()
    this.state.value = 'following'
    const filter: AuditFilter = { client: null, service: null, outcome: null, since: this.#since }
    for await (const { line } of administration.audit.lines(filter, { follow: true })) {
      if (this.#ended.signal.aborted) return
      if (this.#isNew(line)) this.#tell(line)
    }
  }

  /** A log that goes on elsewhere has numbers of its own. */
  #isNew({ n, at }: AuditLine): boolean {
    return this.#last === undefined || n > this.#last.n || at > this.#last.at
  }

  #tell(line: AuditLine): void {
    this.#last = line
    this.#since = Date.parse(line.at)
    for (const listener of this.#listeners) {
      try {
        listener(line)
      } catch (cause) {
        // One view that fails keeps nothing from the others.
        console.error(cause)
      }
    }
  }
}

/** Whether no later attempt will find a log: the KDC keeps none, or this person may not read it. */
function isNone(cause: unknown): boolean {
  if (!(cause instanceof OrthrusError)) return false
  return (
    cause.code === 'not_authorized' || (cause.code === 'unavailable' && cause.reason.includes('no audit log'))
  )
}

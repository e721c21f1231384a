import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ServiceFeed } from '../../../service/feed/service-feed.js'
import { toHex } from '../../../shared/bytes.js'
import type { RevocationEntry } from '../../../shared/revocation/entry.js'
import type { LogState } from '../../../shared/revocation/feed.js'
import type { OpenedTicket } from '../../../shared/ticket/ticket.js'
import { HOUR, MINUTE, SECOND } from '../../../shared/time.js'
import { TestClock } from '../../support/clock.js'
import { turns } from '../../support/turns.js'
import type { FakeFeed } from './fake-feed.js'
import { FeedSetting, ORDERS } from './setting.js'

/**
 * The whole of a service's feed against any sequence of entries, delays, cuts, replays, restores and restarts: what an
 * applied entry revoked is never accepted until it is over, and a feed that counts as fresh has left nothing out.
 */

type Step =
  | { readonly do: 'revoke'; readonly kind: 'client' | 'ticket' | 'key'; readonly which: number }
  | { readonly do: 'release' | 'drop' | 'rollBack'; readonly count: number }
  | { readonly do: 'hold' | 'pass' | 'cut' | 'skip' | 'repeat' | 'restore' | 'restart' | 'crash' }
  /** A KDC that leaves an entry out, or says it twice, on a channel that stays open. */
  | { readonly do: 'disturb'; readonly by: 'skip' | 'repeat'; readonly which: number }
  | { readonly do: 'elapse'; readonly seconds: number }
  | { readonly do: 'ahead'; readonly minutes: number }

const TICKETS = 6

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('revoke' as const),
      kind: fc.constantFrom('client', 'client', 'ticket', 'ticket', 'key'),
      which: fc.nat(TICKETS - 1),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('release', 'drop', 'rollBack'),
      count: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom('hold', 'pass', 'cut', 'skip', 'repeat', 'restore', 'restart', 'crash'),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('elapse' as const), seconds: fc.constantFrom(1, 6, 60, 3_700) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('disturb' as const),
      by: fc.constantFrom('skip', 'repeat'),
      which: fc.nat(TICKETS - 1),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('ahead' as const), minutes: fc.constantFrom(-90, 0, 90) }),
  },
)

interface Applied {
  readonly log: string
  readonly entry: RevocationEntry
}

/** One run: what the feed was told, held against what it accepts. */
class Run {
  readonly clock = new TestClock()
  setting = new FeedSetting({}, undefined, this.clock)
  readonly kdc: FakeFeed = this.setting.kdc
  readonly tickets: readonly OpenedTicket[]
  applied: Applied[] = []
  /** Entries by their logs and numbers, and with their marks, as this process and those that saved for it applied them. */
  readonly known = new Set<string>()
  /** The oldest entry that each log was said to have. */
  readonly oldest = new Map<string, number>()
  /** What went wrong inside of the feed, which would only give its channel up. */
  readonly faults: string[] = []
  /** How many questions were answered, and entries applied. */
  answers = 0
  entries = 0

  constructor() {
    const clients = [0, 1, 2].map(() => this.setting.ticket().clientId)
    this.tickets = Array.from({ length: TICKETS }, (_, at) =>
      this.setting.ticket({
        clientId: clients[at % 3] ?? new Uint8Array(8),
        kvno: (at % 3) + 1,
        endTime: this.clock.now() + 1_000 * HOUR,
      }),
    )
    this.#watch(this.setting.feed)
  }

  async take(step: Step): Promise<void> {
    const { kdc } = this
    switch (step.do) {
      case 'revoke':
        this.#revoke(step.kind, step.which)
        break
      case 'release':
        kdc.channels.at(-1)?.release(step.count)
        break
      case 'drop':
        kdc.drop(this.#over(step.count))
        break
      case 'rollBack':
        kdc.rollBack(step.count)
        break
      case 'hold':
        kdc.isHeld = true
        break
      case 'pass':
        kdc.isHeld = false
        kdc.channels.at(-1)?.release()
        break
      case 'cut':
      case 'skip':
      case 'repeat':
        kdc.channels.at(-1)?.[step.do]()
        break
      case 'restore':
        kdc.restore()
        break
      case 'restart':
      case 'crash':
        this.#restart(step.do === 'restart')
        break
      case 'disturb':
        kdc.isHeld = true
        this.#revoke('ticket', step.which)
        kdc.channels.at(-1)?.[step.by]()
        kdc.isHeld = false
        kdc.channels.at(-1)?.release()
        await this.clock.elapse(6 * SECOND)
        break
      case 'elapse':
        await this.clock.elapse(step.seconds * SECOND)
        break
      case 'ahead':
        this.setting.kdcAhead = step.minutes * MINUTE
    }
    await turns(2)
  }

  /** Nothing that was applied and is not over is accepted. */
  check(): void {
    expect(this.faults).toEqual([])
    // What was over once may have been forgotten, even if a clock goes back.
    this.applied = this.applied.filter(({ log, entry }) => !this.#mayBeForgotten(log, entry))
    for (const { entry } of this.applied) {
      for (const ticket of this.tickets) {
        if (isRevokedBy(ticket, entry)) expect(this.setting.outcome(ticket)).toBe('revoked')
      }
    }
  }

  #revoke(kind: 'client' | 'ticket' | 'key', which: number): void {
    const ticket = this.tickets[which]
    if (ticket === undefined) return
    if (kind === 'key') this.kdc.revoke({ kind, by: ticket.kvno }, ORDERS)
    else this.kdc.revoke({ kind, by: kind === 'client' ? ticket.clientId : ticket.ticketId })
  }

  /** A KDC drops only what is over by its own time. */
  #over(count: number): number {
    const { entries, state } = this.kdc
    const kept = entries.findIndex(({ keepUntil }) => keepUntil >= state.time)
    return Math.min(count, kept < 0 ? entries.length : kept)
  }

  /** @param isOrderly whether the process saves what it knows; otherwise all is lost, and it accepts nothing at first */
  #restart(isOrderly: boolean): void {
    const saved = this.setting.feed.close()
    const isSaved = isOrderly && saved !== undefined
    if (!isSaved) {
      this.applied = []
      this.known.clear()
    }
    this.setting = new FeedSetting({ saved: isSaved ? saved : undefined }, this.kdc, this.clock)
    if (!isSaved) for (const ticket of this.tickets) expect(this.setting.outcome(ticket)).toBe('unavailable')
    this.#watch(this.setting.feed)
  }

  #watch(feed: ServiceFeed): void {
    const [apply, begun, alive] = [feed.apply.bind(feed), feed.begun.bind(feed), feed.alive.bind(feed)]
    feed.apply = (logId, entry) => {
      apply(logId, entry)
      this.applied.push({ log: toHex(logId), entry })
      this.entries++
      this.known.add(`${toHex(logId)} ${entry.seq}`).add(`${toHex(logId)} ${entry.seq} ${toHex(entry.mark)}`)
    }
    feed.begun = state => {
      this.#tell(state)
      begun(state)
    }
    feed.alive = (state, sent) => {
      this.#tell(state)
      this.#requireWhole(state)
      alive(state, sent)
      this.answers++
    }
  }

  #tell({ logId, oldest }: LogState): void {
    const log = toHex(logId)
    this.oldest.set(log, Math.max(oldest, this.oldest.get(log) ?? 0))
  }

  /** Everything that the log had when it answered was applied. */
  #requireWhole({ logId, oldest, newest }: LogState): void {
    const log = toHex(logId)
    for (let seq = oldest; seq <= newest; seq++) {
      if (!this.known.has(`${log} ${seq}`)) this.faults.push(`entry ${seq} was skipped`)
    }
    if (log !== toHex(this.kdc.logId)) return
    for (const { seq, mark } of this.kdc.entries) {
      const isKnown = seq > newest || this.known.has(`${log} ${seq} ${toHex(mark)}`)
      if (!isKnown) this.faults.push(`entry ${seq} is another one than was applied`)
    }
  }

  #mayBeForgotten(log: string, { seq, kind, keepUntil }: RevocationEntry): boolean {
    if (kind === 'key') return false
    if (seq < (this.oldest.get(log) ?? 0)) return true
    const now = Math.min(this.clock.now(), this.kdc.state.time)
    return log !== toHex(this.kdc.logId) && keepUntil < now
  }
}

function isRevokedBy({ clientId, ticketId, kvno }: OpenedTicket, entry: RevocationEntry): boolean {
  if (entry.kind === 'key') return kvno <= entry.by
  return toHex(entry.by) === toHex(entry.kind === 'client' ? clientId : ticketId)
}

describe('whatever comes, and in whatever order', () => {
  it('a service never accepts what an applied entry revoked, and never counts a feed with a gap as fresh', async () => {
    let answers = 0
    let applied = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60, size: 'max' }), async steps => {
        const run = new Run()
        for (const step of steps) {
          await run.take(step)
          run.check()
        }
        answers += run.answers
        applied += run.entries
        run.setting.feed.close()
      }),
      { numRuns: process.env.ORTHRUS_SLOW === '1' ? 3_000 : 40 },
    )
    // Otherwise nothing was tried.
    expect(answers).toBeGreaterThan(150)
    expect(applied).toBeGreaterThan(150)
  })
})

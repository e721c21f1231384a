import { onTestFinished } from 'vitest'
import { ServiceFeed, type ServiceFeedOptions } from '../../../service/feed/service-feed.js'
import { ServiceKeys } from '../../../service/keys.js'
import type { ServiceEvent } from '../../../service/report/events.js'
import { LongTermKey, SessionKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { OrthrusError } from '../../../shared/errors.js'
import { parsePrincipal } from '../../../shared/principal.js'
import type { OpenedTicket } from '../../../shared/ticket/ticket.js'
import { HOUR, MINUTE, nowBy } from '../../../shared/time.js'
import { TestClock } from '../../support/clock.js'
import { ticketContent } from '../../support/ticket-content.js'
import { turns } from '../../support/turns.js'
import { FakeFeed } from './fake-feed.js'

export const ORDERS = parsePrincipal('orders@demo.example')
export const BILLING = parsePrincipal('billing@demo.example')

/** A service's feed of a fake KDC, on a clock that the test moves. */
export class FeedSetting {
  readonly clock: TestClock
  readonly kdc: FakeFeed
  readonly keys: ServiceKeys
  readonly told: ServiceEvent[] = []
  readonly feed: ServiceFeed
  /** KDC time minus the service's. */
  kdcAhead = 0

  constructor(options: Partial<ServiceFeedOptions> = {}, kdc?: FakeFeed, clock = new TestClock()) {
    this.clock = clock
    this.kdc = kdc ?? new FakeFeed(() => clock.now() + this.kdcAhead)
    this.keys = new ServiceKeys([3, 2, 1].map(kvno => ({ kvno, key: new LongTermKey(systemRandom(32)) })))
    this.feed = new ServiceFeed({
      service: ORDERS,
      keys: this.keys,
      open: this.kdc.open,
      clock,
      timers: clock,
      fraction: () => 0.5,
      report: event => void this.told.push(event),
      maxStaleness: 10 * MINUTE,
      maxRevocations: 1_000,
      startWithoutFeed: false,
      saved: undefined,
      ...options,
    })
    onTestFinished(() => void this.feed.close())
  }

  static async connected(options: Partial<ServiceFeedOptions> = {}): Promise<FeedSetting> {
    const setting = new FeedSetting(options)
    await turns()
    return setting
  }

  ticket(more: Partial<OpenedTicket> = {}): OpenedTicket {
    const now = this.clock.now()
    const content = ticketContent(now, now + HOUR, { key: new SessionKey(systemRandom(32)) })
    return { ...content, service: ORDERS, kvno: 3, opened: true, ...more }
  }

  /** `accepted`, or the code that refuses the ticket. */
  outcome(ticket: OpenedTicket): string {
    try {
      this.feed.requireValid(ticket, nowBy(this.clock))
      return 'accepted'
    } catch (cause) {
      if (cause instanceof OrthrusError) return cause.code
      throw cause
    }
  }

  kinds(): string[] {
    return this.told.map(({ kind }) => kind)
  }
}

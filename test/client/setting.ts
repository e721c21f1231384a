import { onTestFinished } from 'vitest'
import { connectOver } from '../../client/connect.js'
import type { ConnectOptions } from '../../client/connect-options.js'
import type { Realm } from '../../client/realm.js'
import { formatKeytab } from '../../shared/keytab/keytab.js'
import { TestClock } from '../support/clock.js'
import { type LogLine, TestLogger } from '../support/logger.js'
import { FakeKdc, ORDERS, WEB } from './fake-kdc.js'
import { FakeService } from './fake-service.js'

export { failureOf } from '../support/failure.js'

export const KDC_URL = 'ws://127.0.0.1:8750'
export const ORDERS_URL = 'http://orders.test:8080'

/** A KDC, a service `orders` at ORDERS_URL and a client `web`, all in memory. */
export class Setting {
  readonly time = new TestClock()
  readonly kdc = new FakeKdc(this.time)
  readonly orders = new FakeService(ORDERS, this.kdc.keyOf(ORDERS), this.time)
  readonly logger = new TestLogger()

  get keytab(): { text: string } {
    return { text: formatKeytab([{ principal: WEB, kvno: 1, key: this.kdc.keyOf(WEB) }]) }
  }

  get log(): LogLine[] {
    return this.logger.lines
  }

  async connect(options: Partial<ConnectOptions> = {}): Promise<Realm> {
    const realm = await connectOver((...args) => this.kdc.openSocket(...args), {
      kdc: KDC_URL,
      clock: this.time,
      timers: this.time,
      logger: this.logger,
      fetch: this.orders.fetch,
      services: { [ORDERS_URL]: 'orders' },
      ...('password' in options ? {} : { keytab: this.keytab }),
      ...options,
    } as ConnectOptions)
    onTestFinished(() => realm.close())
    return realm
  }
}

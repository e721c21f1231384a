import { onTestFinished } from 'vitest'
import { connectOver } from '../../client/connect.js'
import type { ConnectOptions } from '../../client/connect-options.js'
import type { Realm } from '../../client/realm.js'
import { formatKeytab } from '../../shared/keytab/keytab.js'
import { FakeKdc, ORDERS, WEB } from './fake-kdc.js'
import { FakeService } from './fake-service.js'
import { FakeTime } from './fake-time.js'

export const KDC_URL = 'ws://127.0.0.1:8750'
export const ORDERS_URL = 'http://orders.test:8080'

export interface LogLine {
  readonly level: string
  readonly fields: object
  readonly message: string
}

/** A KDC, a service `orders` at ORDERS_URL and a client `web`, all in memory. */
export class Setting {
  readonly time = new FakeTime()
  readonly kdc = new FakeKdc(this.time)
  readonly orders = new FakeService(ORDERS, this.kdc.keyOf(ORDERS), this.time)
  readonly log: LogLine[] = []

  get keytab(): { text: string } {
    return { text: formatKeytab([{ principal: WEB, kvno: 1, key: this.kdc.keyOf(WEB) }]) }
  }

  get logger() {
    const at = (level: string) => (fields: object, message: string) => {
      this.log.push({ level, fields, message })
    }
    return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
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

/** What a promise is rejected with. */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  const nothing = Symbol('nothing')
  const cause = await promise.then(
    () => nothing,
    reason => reason,
  )
  if (cause === nothing) throw new Error('it was not rejected')
  return cause
}

import { createHash } from 'node:crypto'
import { connectOver } from '../../../client/connect.js'
import { LongTermKey } from '../../../shared/crypto/keys.js'
import { LOCAL_CODES, WIRE_CODES } from '../../../shared/errors.js'
import { formatKeytab } from '../../../shared/keytab/keytab.js'
import { FakeKdc, KDC, KRBTGT, ORDERS, WEB } from '../../client/fake-kdc.js'
import { steadyRandom } from '../../support/chance.js'
import { TestClock } from '../../support/clock.js'
import { turns } from '../../support/turns.js'
import { asyncOutcomeOf, type Measure } from '../entry.js'

/** A client whose KDC says what an entry puts in the place of its answers. */

export const SALT = new Uint8Array(16).fill(70)
export const CODES = [...WIRE_CODES, ...LOCAL_CODES]

/** A KDC whose keys are the same in each run, and whose answers an entry puts something in the place of. */
export class ClientScene {
  readonly time = new TestClock()
  readonly kdc = new FakeKdc(this.time)
  readonly #keytab: { readonly text: string }

  constructor() {
    for (const [i, name] of [WEB, ORDERS, KRBTGT, KDC].entries()) {
      this.kdc.keys.set(name, new LongTermKey(new Uint8Array(32).fill(60 + i)))
    }
    this.#keytab = { text: formatKeytab([{ principal: WEB, kvno: 1, key: this.kdc.keyOf(WEB) }]) }
  }

  connect() {
    return connectOver((...args) => this.kdc.openSocket(...args), {
      kdc: 'ws://127.0.0.1:8750',
      clock: this.time,
      timers: this.time,
      random: steadyRandom(3),
      keytab: this.#keytab,
    })
  }

  /** What came of asking for a ticket; time passes while nothing else happens. */
  async ask(measure: Measure): Promise<string> {
    const realm = await this.connect()
    try {
      const asking = measure(() => realm.getServiceTicket('orders'))
      return await asyncOutcomeOf(() => this.patient(asking), CODES)
    } finally {
      realm.close()
      this.kdc.asked.length = 0
    }
  }

  async patient<T>(waiting: Promise<T>): Promise<T> {
    let isDone = false
    const done = waiting.finally(() => {
      isDone = true
    })
    done.catch(() => {})
    for (let i = 0; i < 40 && !isDone; i++) {
      await turns()
      if (!isDone && i > 2) await this.time.elapse(10_000)
    }
    if (!isDone) throw new Error('nothing came of it in 400 s')
    return done
  }
}

export function sha256Of(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest())
}

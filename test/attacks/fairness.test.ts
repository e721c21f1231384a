import { describe, expect, it, onTestFinished } from 'vitest'
import type { Rate } from '../../kdc/limits/defaults.js'
import { NO_LIMITS } from '../../shared/administration/principals.js'
import { TYPE } from '../../shared/constants.js'
import { LongTermKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { parametersWith } from '../../shared/exchange/params.js'
import { principalIn } from '../../shared/principal.js'
import { MINUTE } from '../../shared/time.js'
import { openingOf, TestSocket } from '../kdc/socket.js'
import { type OwnKdc, startOwnKdc } from '../support/own-kdc.js'
import { until } from '../support/turns.js'
import { HandClient, outcome } from './by-hand.js'
import { openQuestions, rightRequests, wrongLogins } from './floods.js'

/**
 * What an honest client beside a flood waits for, as work and not as time: how much of the flood the KDC answers before
 * it. `fairness-measured.test.ts` measures times, with real processes.
 */

/** Where the flood comes from. */
const ELSEWHERE = { localAddress: '127.0.0.2' } as const
const CONNECTIONS = 4
const MESSAGES = 800
/** How much of each sort is allowed, in a minute. */
const ALLOWED: Rate = { points: 100, interval: MINUTE }
/** Of a flood that is over its limit, what may go before one request. Its connections have 256 places. */
const BEFORE = 16

type Sort = 'wrong logins' | 'requests of one client' | 'questions of one address'

async function messagesOf(sort: Sort, eve: HandClient): Promise<Uint8Array[]> {
  if (sort === 'wrong logins') return wrongLogins(eve, MESSAGES)
  if (sort === 'questions of one address') return openQuestions(eve, MESSAGES)
  const [tgt] = await eve.grants()
  return rightRequests(eve, tgt, MESSAGES)
}

/** A flood that is under way, and how much of it was answered. */
class Flood {
  readonly #sockets: TestSocket[] = []
  #answered = 0
  readonly over: Promise<unknown>

  private constructor(sockets: TestSocket[], messages: readonly Uint8Array[]) {
    this.#sockets = sockets
    this.over = Promise.all(
      messages.map(async (message, id) => {
        await this.#sockets[id % sockets.length]?.ask(id, message)
        this.#answered++
      }),
    )
  }

  static async start({ kdc }: OwnKdc, messages: readonly Uint8Array[]): Promise<Flood> {
    const opening = Array.from({ length: CONNECTIONS }, () => TestSocket.open(kdc.url, ELSEWHERE))
    const sockets = await Promise.all(opening)
    onTestFinished(() => {
      for (const socket of sockets) socket.close()
    })
    return new Flood(sockets, messages)
  }

  get answered(): number {
    return this.#answered
  }

  /** How much of the flood was answered between this question and its answer. */
  async before(question: () => Promise<unknown>): Promise<number> {
    const begin = this.#answered
    await question()
    return this.#answered - begin
  }
}

async function scene() {
  const limits = { requestsPerClient: ALLOWED, failedLoginsPerAddress: ALLOWED, params: ALLOWED }
  const own = await startOwnKdc({ limits })
  const web = await HandClient.connect(own.kdc.url, await own.add('web'), own.clock)
  const eve = await HandClient.connect(own.kdc.url, await own.add('eve'), own.clock, ELSEWHERE)
  return { own, web, eve }
}

describe.each<Sort>(['wrong logins', 'requests of one client', 'questions of one address'])(
  'a flood of %s',
  sort => {
    it('that is over its limit goes before an honest request by a few of its messages', async () => {
      const { own, web, eve } = await scene()
      const [tgt, ticket] = await web.grants('kdc')
      if (ticket === undefined) throw new Error('no ticket')
      const flood = await Flood.start(own, await messagesOf(sort, eve))
      await until(() => flood.answered > 2 * ALLOWED.points)
      const waits = [
        await flood.before(async () => expect(outcome(await web.tgs(tgt))).toBe('reply')),
        await flood.before(async () => expect(outcome(await web.login())).toBe('reply')),
        await flood.before(async () => {
          const opening = openingOf(ticket, { time: own.clock.now() }).request.bytes
          expect((await web.ask(opening))[1]).toBe(TYPE.AP_ACCEPT)
        }),
      ]
      expect(flood.answered, 'the flood was over before it was measured').toBeLessThan(MESSAGES)
      expect(Math.max(...waits), waits.join(', ')).toBeLessThanOrEqual(BEFORE)
    })
  },
)

describe('those who have tickets', () => {
  it('are served at the very address, and under the very name, that a flood of wrong logins uses', async () => {
    const { own } = await scene()
    const entry = {
      principal: principalIn('test.example' as Parameters<typeof principalIn>[0], 'ann'),
      kvno: 1,
      key: new LongTermKey(systemRandom(32)),
    }
    const password = { parameters: parametersWith(systemRandom(16)), key: entry.key }
    await own.administration.add({ principal: entry.principal, password, ...NO_LIMITS })
    const ann = await HandClient.connect(own.kdc.url, entry, own.clock, ELSEWHERE)
    const [tgt, ticket] = await ann.grants('kdc')
    if (ticket === undefined) throw new Error('no ticket')
    const flood = await Flood.start(own, wrongLogins(ann, MESSAGES))
    await flood.over
    // Her password would count as guessed now, which is all that the flood achieves.
    const stranger = await HandClient.connect(own.kdc.url, entry, own.clock, { localAddress: '127.0.0.3' })
    expect([outcome(await ann.tgs(tgt)), outcome(await stranger.tgs(tgt))]).toEqual(['reply', 'reply'])
    const opening = openingOf(ticket, { time: own.clock.now() }).request.bytes
    expect((await ann.ask(opening))[1]).toBe(TYPE.AP_ACCEPT)
  })
})

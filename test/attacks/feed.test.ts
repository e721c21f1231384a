import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { secretsOf } from '../../client/ticket/ticket.js'
import type { Revocation } from '../../service/request/revocation.js'
import { partsOf, type Service } from '../../service/request/service.js'
import { TYPE } from '../../shared/constants.js'
import type { Frame } from '../../shared/encoding/frame.js'
import { principalIn } from '../../shared/principal.js'
import type { OpenedTicket } from '../../shared/ticket/ticket.js'
import { MINUTE, nowBy, SECOND } from '../../shared/time.js'
import { startRealm, type TestRealm } from '../../testing/index.js'
import { temporaryFolder } from '../end-to-end/processes.js'
import { TestLogger } from '../support/logger.js'
import { turns, until } from '../support/turns.js'
import { WebSocketProxy } from '../support/websocket-proxy.js'

/** Attacks on the feed of revocations by whoever is between a service and the KDC, and lets everything else pass. */

/** What the attacker has seen until the service was started again. */
interface Seen {
  /** What the KDC sent over the channel before. */
  readonly before: readonly Uint8Array[]
  /** What the service sent last. */
  sent: Uint8Array | undefined
}

/** What is handed on in place of each record of the KDC. */
type Meddling = (seen: Seen) => (frame: Frame) => readonly Frame[]

const MEDDLINGS: readonly [string, Meddling][] = [
  ['held back', () => () => []],
  [
    'replaced by those of the channel before a restart',
    ({ before }) => {
      let next = 0
      return ({ id }) => [{ id, message: before[next++ % before.length] ?? new Uint8Array() }]
    },
  ],
  [
    'put in another order',
    () => {
      let held: Frame | undefined
      return frame => {
        const both = held === undefined ? [] : [frame, held]
        held = held === undefined ? frame : undefined
        return both
      }
    },
  ],
  [
    'left out one by one',
    () => {
      let count = 0
      return frame => (count++ % 2 === 0 ? [frame] : [])
    },
  ],
  [
    'replaced by what the service sent',
    seen =>
      ({ id, message }) => [{ id, message: seen.sent ?? message }],
  ],
]

const MAX_STALENESS = MINUTE

const isRecord = ({ message }: Frame): boolean => message[1] === TYPE.RECORD

describe('records of the feed', () => {
  it.each(MEDDLINGS)(
    'that are %s hide a revocation for no moment beyond maxStaleness, and do not make a service forget',
    async (_, meddling) => {
      const realm = await startRealm()
      onTestFinished(() => realm.close())
      await realm.add('web', 'bob', 'orders')
      for (const name of ['web', 'bob']) await realm.allow(name, 'orders')
      const proxy = await WebSocketProxy.start(realm.kdc.url)
      const { folder, remove } = await temporaryFolder()
      onTestFinished(remove)
      const load = async (): Promise<Service> => {
        const logger = new TestLogger()
        const feedFile = join(folder, 'feed')
        const service = await realm.loadService('orders', {
          kdc: proxy.url,
          feedFile,
          logger,
          maxStaleness: '1m',
        })
        onTestFinished(() => service.close())
        return service
      }
      const [web, bob] = [await openedTicket(realm, 'web'), await openedTicket(realm, 'bob')]
      const first = await load()
      await until(() => first.state.ready)
      await realm.administration.revocations.client(principalIn(realm.kdc.realm, 'bob'))
      await until(() => outcomeOf(first, realm, bob) === 'revoked')
      await pass(realm, 20)
      const seen: Seen = {
        before: proxy.toClient.filter(isRecord).map(({ message }) => message),
        sent: undefined,
      }
      expect(seen.before.length).toBeGreaterThan(3)
      const age = first.state.feed?.age ?? Number.NaN
      await first.close()

      const meddle = meddling(seen)
      proxy.upward = frame => {
        if (isRecord(frame)) seen.sent = frame.message
        return [frame]
      }
      let meddled = 0
      proxy.downward = frame => {
        if (!isRecord(frame)) return [frame]
        meddled++
        return meddle(frame)
      }
      await realm.administration.revocations.client(principalIn(realm.kdc.realm, 'web'))
      const second = await load()
      // When the last question was sent that was answered.
      const start = realm.clock.now() - age
      const ended: string[] = []
      feedOf(second).watch({ tickets: [web], end: ({ code }) => void ended.push(code) })
      const accepted: number[] = []
      for (let i = 0; i < 80; i++) {
        if (outcomeOf(second, realm, web) === 'accepted') accepted.push(realm.clock.now() - start)
        expect(outcomeOf(second, realm, bob)).toBe('revoked')
        await pass(realm, 1)
      }
      expect(meddled).toBeGreaterThan(3)
      expect(accepted.at(-1)).toBeGreaterThan(MAX_STALENESS - 3 * SECOND)
      expect(accepted.at(-1)).toBeLessThanOrEqual(MAX_STALENESS)
      expect([outcomeOf(second, realm, web), ended]).toEqual(['unavailable', ['unavailable']])
      expect(second.state).toMatchObject({ ready: false, feed: { stale: true, connected: false } })

      proxy.downward = frame => [frame]
      const end = performance.now() + 20_000
      while (!second.state.ready && performance.now() < end) {
        realm.clock.advance(100)
        await turns(20)
      }
      expect([web, bob].map(ticket => outcomeOf(second, realm, ticket))).toEqual(['revoked', 'revoked'])
    },
  )
})

/** Time passes, as slowly as real sockets need it. */
async function pass(realm: TestRealm, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    realm.clock.advance(SECOND)
    await turns(10)
  }
}

function feedOf(service: Service): Revocation {
  const { revocation } = partsOf(service)
  if (revocation === undefined) throw new Error('it does not follow')
  return revocation
}

function outcomeOf(service: Service, realm: TestRealm, ticket: OpenedTicket): string {
  try {
    feedOf(service).requireValid(ticket, nowBy(realm.clock))
    return 'accepted'
  } catch (cause) {
    return (cause as { readonly code: string }).code
  }
}

/** A ticket as its service has it. */
async function openedTicket(realm: TestRealm, client: string): Promise<OpenedTicket> {
  const connected = await realm.connect(client)
  const { sealed } = secretsOf(await connected.getServiceTicket('orders'))
  const service = await realm.loadService('orders')
  return partsOf(service).tickets.open(sealed)
}

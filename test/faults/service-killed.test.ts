import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { connect } from '../../client/connect.js'
import type { Realm } from '../../client/realm.js'
import { type RunningKdc, startKdc } from '../../kdc/main.js'
import { OrthrusError } from '../../shared/errors.js'
import { systemClock } from '../../shared/time.js'
import { challengeIn } from '../support/challenge.js'
import { type Chance, seededChance } from '../support/chance.js'
import { type FaultRealm, makeRealm } from '../support/folder-realm.js'
import { type ServiceProcess, startService } from './service-process.js'

/**
 * A service killed with -9 during requests, and started again immediately. It keeps no file of what it accepted. Its
 * floor alone must refuse all of it, even what is stamped as far ahead as a service accepts: the KDC's clock, by which
 * clients stamp, is that far ahead of the service's. Each target is asked for once, so a handler that sees one twice
 * has met a replay.
 */

const KILLS = process.env.ORTHRUS_SLOW === '1' ? 12 : 1
const CLIENTS = ['web/0', 'web/1', 'web/2']
/** Milliseconds: a service accepts what is stamped 5 s ahead, and a request may take a while to arrive. */
const KDC_AHEAD = 4_900
/** A kill comes after at most this many requests. */
const REQUESTS_MAX = 60
/** What a service answers to a request that is too old for it. */
const REFUSED = /^401 (?:clock_skew|replay|ticket_expired)$/

let realm: FaultRealm
let kdc: RunningKdc
beforeEach(async () => {
  realm = await makeRealm([...CLIENTS, 'orders'], [['web/*', 'orders']])
  const clock = { now: () => systemClock.now() + KDC_AHEAD, monotonic: () => systemClock.monotonic() }
  kdc = await startKdc({ dataDirectory: realm.data, listen: { port: 0 }, clock })
})
afterEach(async () => {
  await kdc.close()
  await realm.remove()
})

/** A request as it was on the wire. */
interface Sent {
  readonly method: string
  readonly target: string
  readonly headers: Headers
  readonly body: ArrayBuffer
}

/** A client all of whose requests are recorded before they go out. */
async function connectRecorded(name: string, sent: Sent[]): Promise<Realm> {
  const record = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init)
    const { pathname } = new URL(request.url)
    const { method, headers } = request
    sent.push({ method, target: pathname, headers, body: await request.clone().arrayBuffer() })
    return fetch(request)
  }
  return connect({ kdc: kdc.url, keytab: { text: realm.keytab(name) }, fetch: record })
}

/** The moment from which a service that was just started accepts. */
async function warmUp(client: Realm, service: ServiceProcess): Promise<void> {
  await (await client.fetch(`${service.url}/warm`, { service: 'orders' })).text()
}

/** @returns the status, and the code of the challenge: a request that lost its ticket on the way gets one without. */
async function deliver(service: ServiceProcess, { method, target, headers, body }: Sent): Promise<string> {
  const response = await fetch(`${service.url}${target}`, {
    method,
    headers,
    ...(body.byteLength > 0 ? { body } : {}),
  })
  await response.arrayBuffer()
  const challenge = challengeIn(response.headers.get('www-authenticate') ?? undefined)
  return `${response.status} ${challenge?.code}`
}

interface Load {
  readonly chance: Chance
  readonly clients: readonly Realm[]
  readonly sent: Sent[]
  /** Targets asked for, in all lives of the service. */
  asked: number
}

/** Payments of all clients at the same time, until the service is killed. */
async function payUntilKilled(service: ServiceProcess, load: Load): Promise<void> {
  let gone = false
  const killAt = load.asked + 5 + load.chance.below(REQUESTS_MAX)
  const pay = async (client: Realm): Promise<void> => {
    while (!gone) {
      const target = `/pay/${load.asked++}`
      if (load.asked === killAt) {
        gone = true
        service.child.kill('SIGKILL')
      }
      await client.fetch(`${service.url}${target}`, { method: 'POST', body: target, service: 'orders' }).then(
        response => response.text(),
        cause => {
          // A POST of the first seconds is refused, and right from the next one on.
          const skewed = cause instanceof OrthrusError && cause.code === 'clock_skew'
          if (!skewed && !(gone && cause instanceof OrthrusError && cause.code === 'unavailable')) throw cause
        },
      )
    }
  }
  await Promise.all(load.clients.map(pay))
  await service.end('SIGKILL')
}

function payments(services: readonly ServiceProcess[]): string[] {
  return services.flatMap(({ handled }) => handled.filter(line => line.startsWith('POST ')))
}

describe('a service killed with -9', () => {
  it('never handles again what it handled before, nor what it had just been given', async () => {
    const sent: Sent[] = []
    const clients = await Promise.all(CLIENTS.map(name => connectRecorded(name, sent)))
    const [first] = clients as [Realm]
    const load: Load = { chance: seededChance('kills of the service'), clients, sent, asked: 0 }
    const services: ServiceProcess[] = []
    let replayed = 0
    for (let round = 0; round <= KILLS; round++) {
      const service = await startService(realm, 'orders')
      services.push(service)
      const recorded = sent.filter(({ method }) => method === 'POST')
      // Immediately, and from when it accepts: the floor is the same, but not what lies ahead of the clock.
      for (const request of recorded) expect(await deliver(service, request)).toMatch(REFUSED)
      await warmUp(first, service)
      for (const request of recorded) expect(await deliver(service, request)).toMatch(REFUSED)
      replayed += 2 * recorded.length
      expect(service.handled.filter(line => line.startsWith('POST '))).toEqual([])
      if (round < KILLS) await payUntilKilled(service, load)
      else await service.end('SIGTERM')
    }
    for (const client of clients) client.close()
    const paid = payments(services)
    console.log(
      `${KILLS} kills: ${paid.length} of ${load.asked} payments handled, ${replayed} replays refused`,
    )
    expect(new Set(paid).size).toBe(paid.length)
    expect(paid.length).toBeGreaterThan(KILLS)
  }, 300_000)
})

import { cpus } from 'node:os'
import { BoundedReplayCache } from '../service/replay-cache.js'
import { TicketCache } from '../service/ticket-cache.js'
import { deriveAuthKey } from '../shared/crypto/derive.js'
import { systemRandom } from '../shared/crypto/random.js'
import { acceptRequest } from '../shared/protocol/accept.js'
import { createApReply, createApRequest } from '../shared/protocol/ap.js'
import { createAsRequest } from '../shared/protocol/as.js'
import { TYPE } from '../shared/protocol/constants.js'
import { isError } from '../shared/protocol/error.js'
import type { Grant } from '../shared/protocol/grant.js'
import { createTgsRequest } from '../shared/protocol/tgs.js'
import { decodeTicket } from '../shared/protocol/ticket.js'
import { systemClock } from '../shared/time.js'
import { medianOf, type Operation } from './measure.js'
import { asQuestion, buildScene, type Scene } from './scene.js'

/**
 * `npm run bench`: a first look at the costs of AS, TGS and AP, in one process and without sockets. Requests are made
 * beforehand, so that what is measured is the KDC's or the service's side alone. `--json` for machines.
 */

const ROUNDS = 5
const OPERATIONS = Number(process.env.ORTHRUS_BENCH_OPERATIONS ?? 2_000)

function asOperation({ dispatch, client, clientKey, services }: Scene, count: number): Operation<Uint8Array> {
  return {
    name: `AS, TGT and ${count} tickets`,
    operations: OPERATIONS,
    prepare: () => createAsRequest(clientKey, asQuestion(client, services.slice(0, count))).bytes,
    run: bytes => answered(dispatch, bytes),
  }
}

function tgsOperation({ dispatch, services, grants }: Scene, count: number): Operation<Uint8Array> {
  const [tgt] = grants as [Grant]
  const key = deriveAuthKey(tgt.key, [])
  const ticket = decodeTicket(tgt.ticket)
  return {
    name: `TGS, ${count} ticket${count === 1 ? '' : 's'}`,
    operations: count === 1 ? OPERATIONS : Math.ceil(OPERATIONS / 4),
    prepare: () => {
      const question = { caveats: [], time: Date.now(), nonce: systemRandom(16), lifetime: 0, renew: false }
      return createTgsRequest(key, ticket, { ...question, services: services.slice(0, count) }).bytes
    },
    run: bytes => answered(dispatch, bytes),
  }
}

/** A measured refusal would be a figure about something else. */
async function answered(dispatch: Scene['dispatch'], bytes: Uint8Array): Promise<void> {
  if (isError(await dispatch(bytes, 'bench'))) throw new Error('the KDC refused a request of the bench')
}

function apOperation({ services, serviceKeys, grants }: Scene, known: boolean): Operation<Uint8Array> {
  const [service, serviceKey, grant] = [services[0], serviceKeys[0], grants[1]]
  if (service === undefined || serviceKey === undefined || grant === undefined) throw new Error('no service')
  const keys = new Map([[1, serviceKey]])
  const cached = new TicketCache({ service, keys, clock: systemClock })
  const fresh = () => new TicketCache({ service, keys, clock: systemClock, entries: 1 })
  const replayCache = new BoundedReplayCache({ clock: systemClock, floor: 0 })
  const binding = systemRandom(32)
  const key = deriveAuthKey(grant.key, [])
  const ticket = decodeTicket(grant.ticket)
  const place = {
    type: TYPE.AP_REQ,
    service,
    replayCache,
    clock: systemClock,
    method: 'GET',
    target: '/',
    checkers: new Map(),
  }
  return {
    name: `AP, verify and reply, ${known ? 'ticket known' : 'ticket new'}`,
    operations: OPERATIONS,
    prepare: () => {
      const question = {
        ticket,
        caveats: [],
        time: Date.now(),
        nonce: systemRandom(16),
        binding,
        delegated: null,
      }
      return createApRequest(TYPE.AP_REQ, key, question).bytes
    },
    run: async bytes => {
      const accepted = await acceptRequest(bytes, { ...place, tickets: known ? cached : fresh() })
      createApReply(accepted.key, accepted.request.mac, { time: accepted.now, binding })
    },
  }
}

const scene = await buildScene()
const operations = [
  asOperation(scene, 0),
  asOperation(scene, 4),
  tgsOperation(scene, 1),
  tgsOperation(scene, 16),
  apOperation(scene, true),
  apOperation(scene, false),
]
const results: Awaited<ReturnType<typeof medianOf>>[] = []
for (const operation of operations) results.push(await medianOf(ROUNDS, operation))

if (process.argv.includes('--json')) {
  console.log(JSON.stringify({ node: process.version, cpus: cpus().length, rounds: ROUNDS, results }))
} else {
  console.log(
    `node ${process.version}, ${cpus().length} CPUs; one process, no sockets; the median of ${ROUNDS} rounds`,
  )
  console.table(
    Object.fromEntries(
      results.map(({ name, perSecond, cpuMicroseconds, least, most, p50, p99 }) => [
        name,
        {
          'per second': Math.round(perSecond),
          'CPU us each': Number(cpuMicroseconds.toFixed(1)),
          'least-most': `${least.toFixed(1)}-${most.toFixed(1)}`,
          'p50 us': Number((p50 * 1000).toFixed(1)),
          'p99 us': Number((p99 * 1000).toFixed(1)),
        },
      ]),
    ),
  )
}

import { ServiceKeys } from '../../service/keys.js'
import { BoundedReplayCache } from '../../service/replay/replay-cache.js'
import { ServiceTicketOpener } from '../../service/ticket-opener.js'
import { acceptRequest } from '../../shared/accept/accept.js'
import { SIZE, TYPE } from '../../shared/constants.js'
import { combineAuthKeys, deriveAuthKey } from '../../shared/crypto/derive.js'
import type { AuthKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { createApReply, createApRequest, type Delegated } from '../../shared/exchange/ap.js'
import { parsePrincipal } from '../../shared/principal.js'
import { type Caveat, encodeCaveat } from '../../shared/ticket/caveats.js'
import { HOUR, systemClock } from '../../shared/time.js'
import type { RowHead } from '../figures.js'
import { type BoundOperation, bindOperation } from '../measure.js'
import { type BenchGrant, type BenchService, grantTicket } from './scene.js'

/** The service's side of AP: steps 1 to 8 of docs/protocol.md section 8, and the reply. */

export const KNOWN = 'ap.known'
export const CAVEATS = 'ap.caveats'

/** One client asks for all that the machine can do: its share of the usual size is full within the window. */
const REPLAY_BYTES = 256 * 1024 * 1024

const CLIENT = parsePrincipal('web@bench.example')
const DELEGATE = parsePrincipal('billing@bench.example')
const [METHOD, TARGET] = ['GET', '/orders/7']

export interface Presented {
  readonly grant: BenchGrant
  readonly caveats: readonly Uint8Array[]
  readonly key: AuthKey
  readonly delegated: Delegated | null
}

export function serviceOperations(service: BenchService): BoundOperation[] {
  const known = plain(grantTicket(service, CLIENT), [])
  const caveated = plain(grantTicket(service, CLIENT), restrictions())
  const delegated = delegatedTo(grantTicket(service, DELEGATE), grantTicket(service, CLIENT))
  const name = 'AP verify and reply, ticket'
  return [
    operation(service, { id: KNOWN, name: `${name} known` }, () => known),
    operation(service, { id: 'ap.new', name: `${name} new`, beside: KNOWN }, () =>
      plain(grantTicket(service, CLIENT), []),
    ),
    operation(service, { id: CAVEATS, name: `${name} known, 3 caveats`, beside: KNOWN }, () => caveated),
    operation(
      service,
      { id: 'ap.delegated', name: `${name}s known, delegated`, beside: KNOWN },
      () => delegated,
    ),
  ]
}

/** A request as it would arrive. */
export function presentationOf({ grant, caveats, key, delegated }: Presented) {
  const [nonce, binding] = [systemRandom(SIZE.NONCE), systemRandom(SIZE.DIGEST)]
  const question = { ticket: grant.ticket, caveats, time: Date.now(), nonce, binding, delegated }
  return createApRequest(TYPE.AP_REQ, key, question)
}

export function plain(grant: BenchGrant, caveats: readonly Uint8Array[]): Presented {
  return { grant, caveats, key: deriveAuthKey(grant.key, caveats), delegated: null }
}

function delegatedTo(own: BenchGrant, delegated: BenchGrant): Presented {
  const caveats = [encodeCaveat({ name: 'holder', holder: DELEGATE })]
  const key = combineAuthKeys(deriveAuthKey(own.key, []), deriveAuthKey(delegated.key, caveats))
  return { grant: own, caveats: [], key, delegated: { ticket: delegated.ticket, caveats, client: CLIENT } }
}

function restrictions(): Uint8Array[] {
  const caveats: Caveat[] = [
    { name: 'expires', time: Date.now() + HOUR },
    { name: 'methods', methods: ['GET', 'HEAD'] },
    { name: 'paths', prefixes: ['/orders'] },
  ]
  return caveats.map(encodeCaveat)
}

function operation(service: BenchService, head: RowHead, present: () => Presented): BoundOperation {
  const keys = new ServiceKeys([service])
  const options = {
    type: TYPE.AP_REQ,
    service: service.name,
    tickets: new ServiceTicketOpener({ service: service.name, keys, clock: systemClock }),
    replayCache: new BoundedReplayCache({ clock: systemClock, floor: 0, maxBytes: REPLAY_BYTES }),
    clock: systemClock,
    method: METHOD,
    target: TARGET,
    checkers: new Map(),
  } as const
  const binding = systemRandom(SIZE.DIGEST)
  return bindOperation({
    head,
    prepare: () => presentationOf(present()).bytes,
    run: async bytes => {
      const { key, request, now } = await acceptRequest(bytes, options)
      return createApReply(key, request.mac, { time: now, binding })
    },
  })
}

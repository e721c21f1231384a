import type { AdmissionRequest } from '../shared/accept/replay.js'
import { SIZE } from '../shared/constants.js'
import { systemRandom } from '../shared/crypto/random.js'
import { type Principal, parsePrincipal } from '../shared/principal.js'
import { HOUR, SECOND } from '../shared/time.js'

/** One presenter may fill a quarter. */
const PRESENTERS = 64
/** The span over which time stamps are spread, of the 60 s and 5 s that a service accepts. */
const SPREAD = { PAST: 40 * SECOND, FUTURE: 4 * SECOND } as const

const presenters: readonly Principal[] = Array.from({ length: PRESENTERS }, (_, instance) =>
  parsePrincipal(`web/${instance}@bench.example`),
)

/** Requests of the last minute, none of which any replay cache has seen. */
export function prepareAdmissions(count: number): AdmissionRequest[] {
  const now = Date.now()
  const stamp = () => now - SPREAD.PAST + Math.floor(Math.random() * (SPREAD.PAST + SPREAD.FUTURE))
  return prepareStamped(count, stamp)
}

/** Requests with these stamps, milliseconds, none of which any replay cache has seen. */
export function prepareStamped(count: number, stamp: () => number): AdmissionRequest[] {
  const ids = systemRandom(count * SIZE.REPLAY_ID)
  const endTime = Date.now() + HOUR
  return Array.from({ length: count }, (_, i) => ({
    id: ids.subarray(i * SIZE.REPLAY_ID, (i + 1) * SIZE.REPLAY_ID),
    time: stamp(),
    presenter: presenters[i % PRESENTERS] as Principal,
    endTime,
  }))
}

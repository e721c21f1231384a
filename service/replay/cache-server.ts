import type { Socket } from 'node:net'
import type { AdmissionRequest } from '../../shared/accept/replay.js'
import { SIZE } from '../../shared/constants.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { decode, encode } from '../../shared/encoding/encoding.js'
import { bytesOf, fields, kvnoOf, nonceOf, numberOf, principalOf } from '../../shared/encoding/fields.js'
import { malformed } from '../../shared/errors.js'
import type { ServiceKeys } from '../keys.js'
import { CacheSeal, readFrames, writeFrame } from './cache-link.js'
import type { BoundedReplayCache } from './replay-cache.js'

/** Answers another process of the service, once it has shown that it has a key of the service. */
export function serveCache(socket: Socket, keys: ServiceKeys, cache: BoundedReplayCache): void {
  const nonce = systemRandom(SIZE.NONCE)
  let seal: CacheSeal | undefined
  readFrames(socket, frame => {
    if (seal === undefined) {
      const [peerNonce, kvno] = fields(decode(frame), 2)
      const key = keys.get(kvnoOf(kvno))
      if (key === undefined) throw malformed('it has another key')
      seal = new CacheSeal(key, nonce, nonceOf(peerNonce))
      return
    }
    const [number, ...request] = fields(seal.open('to-cache', frame), 5)
    const { now, floor, refusal } = cache.admit(requestFrom(request))
    seal.write(socket, 'from-cache', [numberOf(number), now, floor, refusal ?? ''])
  })
  writeFrame(socket, encode([nonce, [...keys.kvnos]]))
}

function requestFrom([id, time, presenter, endTime]: readonly unknown[]): AdmissionRequest {
  type Field = Parameters<typeof numberOf>[0]
  return {
    id: bytesOf(id as Field, SIZE.REPLAY_ID),
    time: numberOf(time as Field),
    presenter: principalOf(presenter as Field),
    endTime: numberOf(endTime as Field),
  }
}

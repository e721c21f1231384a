import { SIZE } from '../../shared/constants.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { createApReply, openApReply } from '../../shared/exchange/ap.js'
import { parsePrincipal } from '../../shared/principal.js'
import { type BoundOperation, bindOperation } from '../measure.js'
import { type BenchService, grantTicket } from './scene.js'
import { plain, presentationOf } from './service.js'

/** The client's side of AP: making the request, and checking who answered it. */
export function clientOperations(service: BenchService): BoundOperation[] {
  const presented = plain(grantTicket(service, parsePrincipal('web@bench.example')), [])
  const { key } = presented
  const create = bindOperation({
    head: { id: 'ap.create', name: 'AP create, at the client' },
    prepare: () => presented,
    run: presentationOf,
  })
  const check = bindOperation({
    head: { id: 'ap.check', name: 'AP check of the reply, at the client' },
    prepare: () => {
      const { mac } = presentationOf(presented)
      return { mac, reply: createApReply(key, mac, { time: Date.now(), binding: systemRandom(SIZE.DIGEST) }) }
    },
    run: ({ mac, reply }) => openApReply(key, mac, reply),
  })
  return [create, check]
}

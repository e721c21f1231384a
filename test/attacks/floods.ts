import { LongTermKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { createParamsRequest } from '../../shared/exchange/params.js'
import { principalIn, realmOf } from '../../shared/principal.js'
import type { Grant } from '../../shared/ticket/grant.js'
import { HandClient } from './by-hand.js'

/** What floods are made of, for a realm in this process and for one in another. */

/** Logins that prove nothing, under the client's own name and under made-up ones. */
export function wrongLogins(client: HandClient, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => {
    const name = i % 2 === 0 ? client.principal : principalIn(realmOf(client.principal), `nobody-${i}`)
    const entry = { principal: name, kvno: client.kvno, key: new LongTermKey(systemRandom(32)) }
    return new HandClient(client.socket, entry, client.clock).asRequest().bytes
  })
}

/** Requests of a client that has a ticket, each of them new. */
export function rightRequests(client: HandClient, tgt: Grant, count: number): Uint8Array[] {
  return Array.from({ length: count }, () => client.tgsRequest(tgt).request.bytes)
}

/** Questions that need no key. */
export function openQuestions({ principal }: HandClient, count: number): Uint8Array[] {
  const message = createParamsRequest(principal)
  return Array.from({ length: count }, () => message)
}

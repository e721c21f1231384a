import { SIZE, TYPE } from '../../shared/constants.js'
import type { AuthKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { createApRequest, openApReply } from '../../shared/exchange/ap.js'
import { isSameBinding, requestBinding, responseBinding } from '../../shared/http/binding.js'
import { formatMessageHeader, parseMessageHeader } from '../../shared/http/headers.js'
import { type KeytabEntry, parseKeytab } from '../../shared/keytab/keytab.js'
import { type Principal, parsePrincipal } from '../../shared/principal.js'
import type { SealedTicket } from '../../shared/ticket/ticket.js'
import { grantTicket } from '../presentation/scene.js'
import { type Presented, plain } from '../presentation/service.js'

/** Requests as bytes, made before they are sent. */

/** Each another client's. */
export const CONNECTIONS = 32

const [METHOD, TARGET] = ['GET', '/orders/7']
const HEAD = `${METHOD} ${TARGET} HTTP/1.1\r\nHost: 127.0.0.1\r\n`
const NO_BODY = new Uint8Array()

export interface MadeRequest {
  readonly text: string
  /** @throws Error where the response is not the service's to this request */
  check(head: string): void
}

/** A client with a ticket of its own for the service. */
export function createPresenter(keytab: string, instance: number): Presented {
  const [entry] = parseKeytab(keytab) as [KeytabEntry]
  const { principal: name, kvno, key } = entry
  return plain(grantTicket({ name, kvno, key }, clientName(instance)), [])
}

function clientName(instance: number): Principal {
  return parsePrincipal(`web/${instance}@bench.example`)
}

export const BARE: MadeRequest = { text: `${HEAD}\r\n`, check: requireSuccess }

/** Stamped now: it has a minute to be sent in. */
export function createTicketed({ key, grant }: Presented): MadeRequest {
  const { header, mac } = presentAt(TARGET, key, grant.ticket)
  return {
    text: `${HEAD}Authorization: ${header}\r\n\r\n`,
    check: head => {
      requireSuccess(head)
      const proof = parseMessageHeader(/^authentication-info: (.*)$/im.exec(head)?.[1]?.trim())
      if (proof === undefined) throw new Error('the service proved nothing')
      const proved = openApReply(key, mac, proof)
      if (!isSameBinding(proved.binding, responseBinding(200, [], NO_BODY))) {
        throw new Error('the service proved another response')
      }
    },
  }
}

/** The `Authorization` of a GET without a body, stamped now. */
export function presentAt(
  target: string,
  key: AuthKey,
  ticket: SealedTicket,
): { readonly header: string; readonly mac: Uint8Array } {
  const binding = requestBinding(METHOD, target, [], NO_BODY)
  const [time, nonce] = [Date.now(), systemRandom(SIZE.NONCE)]
  const question = { ticket, caveats: [], time, nonce, binding, delegated: null }
  const { bytes, mac } = createApRequest(TYPE.AP_REQ, key, question)
  return { header: formatMessageHeader(bytes), mac }
}

function requireSuccess(head: string): void {
  if (!head.startsWith('HTTP/1.1 200 ')) throw new Error(`the service answered ${head.split('\r\n', 1)[0]}`)
}

import { expect, it } from 'vitest'
import { readClaim } from '../../client/request/response-proof.js'
import { TYPE } from '../../shared/constants.js'
import { AuthKey, LongTermKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { createAuthenticatedError } from '../../shared/encoding/error.js'
import { createApRequest } from '../../shared/exchange/ap.js'
import { formatChallenge, formatMessageHeader } from '../../shared/http/headers.js'
import { parsePrincipal, parseRealm } from '../../shared/principal.js'
import { sealTicket } from '../../shared/ticket/ticket.js'
import { ticketContent } from '../support/ticket-content.js'
import { refusalIn } from './refusal.js'
import { decodeResponse, encodeResponse } from './wire.js'

/** The ledger must read what the client reads, or it blames a client that was right, or misses one that was not. */

const NOW = 1_800_000_000_000
const key = new AuthKey(systemRandom(32))
const request = createApRequest(TYPE.AP_REQ, key, {
  ticket: ticket(),
  caveats: [],
  time: NOW,
  nonce: systemRandom(16),
  binding: systemRandom(32),
  delegated: null,
})
const error = createAuthenticatedError(key, request.mac, {
  code: 'clock_skew',
  time: NOW,
  floor: NOW + 5,
  message: '',
})
const challenge = formatChallenge({ realm: parseRealm('demo.example'), code: 'clock_skew', error })
const answer = encodeResponse(401, [['www-authenticate', challenge]], 'clock_skew\n')

function ticket() {
  const service = parsePrincipal('orders@demo.example')
  const content = ticketContent(NOW, NOW + 1_000)
  return sealTicket(service, 1, new LongTermKey(systemRandom(32)), content, systemRandom)
}

function heard(changed: Buffer): { client: string | undefined; ledger: string | undefined } | undefined {
  let response: Response
  try {
    response = decodeResponse(changed, 'GET')
  } catch {
    return undefined
  }
  const claim = readClaim(response.headers, { key, request })
  return {
    client: 'error' in claim ? claim.error.code : undefined,
    ledger: refusalIn(response.headers, formatMessageHeader(request.bytes)),
  }
}

it('names the ERROR of an answer', () => {
  expect(heard(answer)).toEqual({ client: 'clock_skew', ledger: '06 clock_skew, at or below the floor' })
})

it('finds the ERROR that the client believes, whichever bit of the answer was altered', () => {
  let believed = 0
  for (let at = 0; at < answer.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const changed = Buffer.from(answer)
      changed.writeUInt8(answer.readUInt8(at) ^ (1 << bit), at)
      const both = heard(changed)
      if (both?.client === undefined) continue
      believed++
      expect(both.ledger, `bit ${bit} of byte ${at}`).toMatch(/^06 clock_skew/)
    }
  }
  expect(believed).toBeGreaterThan(100)
})

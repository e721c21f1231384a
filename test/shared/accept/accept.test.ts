import { describe, expect, it } from 'vitest'
import { BoundedReplayCache } from '../../../service/replay/replay-cache.js'
import { type AcceptOptions, acceptRequest, requireBinding } from '../../../shared/accept/accept.js'
import { Refusal } from '../../../shared/accept/refusal.js'
import { TYPE } from '../../../shared/constants.js'
import { deriveAuthKey } from '../../../shared/crypto/derive.js'
import { LongTermKey } from '../../../shared/crypto/keys.js'
import { openError } from '../../../shared/encoding/error.js'
import { decodeApRequest } from '../../../shared/exchange/ap.js'
import { requestBinding } from '../../../shared/http/binding.js'
import { parsePrincipal } from '../../../shared/principal.js'
import { openTicket, type SealedTicket, ticketInvalid } from '../../../shared/ticket/ticket.js'
import { hex, vectors } from '../../vectors.js'

interface Expected {
  client?: string
  claims?: unknown
  withheld?: boolean
  via?: string | null
  code?: string
  authenticated?: boolean
}

const v = vectors<{
  service: string
  keys: { service: string; kvno: number; key: string }[]
  cases: {
    name: string
    now: number
    floor: number
    method: string
    target: string
    headers: Record<string, string>
    apReq: string
    sent: { body: string; expect: Expected }[]
  }[]
}>('accept')

const service = parsePrincipal(v.service)
const keys = new Map(
  v.keys.filter(key => key.service === service).map(({ kvno, key }) => [kvno, new LongTermKey(hex(key))]),
)

const tickets = {
  open(ticket: SealedTicket) {
    const key = ticket.service === service ? keys.get(ticket.kvno) : undefined
    if (key === undefined) throw ticketInvalid(ticket, 'no such key')
    return openTicket(ticket, key)
  },
}

async function answer(
  bytes: Uint8Array,
  body: Uint8Array,
  vector: (typeof v.cases)[0],
  options: AcceptOptions,
) {
  try {
    const accepted = await acceptRequest(bytes, options)
    const headers = Object.entries(vector.headers)
    const binding = requestBinding(vector.method, vector.target, headers, body)
    const verified = requireBinding(accepted, binding)
    return {
      client: verified.client,
      claims: verified.claims,
      withheld: verified.claimsWithheld,
      via: verified.via ?? null,
    }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return { code: error.code, authenticated: error.authenticated, refusal: error }
  }
}

describe('acceptance vectors', () => {
  it.each(v.cases.map(vector => [vector.name, vector] as const))('%s', async (_, vector) => {
    const clock = { now: () => vector.now, monotonic: () => 0 }
    const options: AcceptOptions = {
      type: TYPE.AP_REQ,
      service,
      tickets,
      replayCache: new BoundedReplayCache({ clock, floor: vector.floor }),
      clock,
      method: vector.method,
      target: vector.target,
      checkers: new Map(),
    }
    for (const { body, expect: expected } of vector.sent) {
      const { refusal, ...actual } = {
        refusal: undefined,
        ...(await answer(hex(vector.apReq), hex(body), vector, options)),
      }
      expect(actual).toEqual(expected)
      if (refusal !== undefined) expectReply(refusal as Refusal, hex(vector.apReq), vector.now)
    }
  })
})

/** The refusal's bytes say the same, and prove it where they can. */
function expectReply(refusal: Refusal, bytes: Uint8Array, now: number): void {
  const unproved = { code: refusal.code, time: now, authenticated: refusal.authenticated }
  const mac = bytes.subarray(-32)
  if (!refusal.authenticated) {
    const anyKey = new LongTermKey(new Uint8Array(32))
    expect(openError(refusal.reply, anyKey, mac)).toMatchObject(unproved)
    return
  }
  const request = decodeApRequest(TYPE.AP_REQ, bytes)
  if (request.delegated !== null) return
  const key = deriveAuthKey(tickets.open(request.ticket).key, request.caveats)
  expect(openError(refusal.reply, key, mac)).toMatchObject(unproved)
}

import { describe, expect, it } from 'vitest'
import { type AcceptOptions, acceptRequest, refuse, requireBinding } from '../../../shared/accept/accept.js'
import { Refusal } from '../../../shared/accept/refusal.js'
import type { AdmissionRefusal, AdmissionRequest } from '../../../shared/accept/replay.js'
import { FLAG, TYPE } from '../../../shared/constants.js'
import { combineAuthKeys, deriveAuthKey } from '../../../shared/crypto/derive.js'
import { AuthKey, LongTermKey, revealKey, type SessionKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { encode } from '../../../shared/encoding/encoding.js'
import { openError } from '../../../shared/encoding/error.js'
import { OrthrusError } from '../../../shared/errors.js'
import { createApRequest } from '../../../shared/exchange/ap.js'
import { type Principal, parsePrincipal } from '../../../shared/principal.js'
import { type Caveat, encodeCaveat } from '../../../shared/ticket/caveats.js'
import {
  type OpenedTicket,
  openTicket,
  type SealedTicket,
  sealTicket,
  type TicketContent,
} from '../../../shared/ticket/ticket.js'
import type { Reading } from '../../../shared/time.js'
import { ticketContent } from '../../support/ticket-content.js'

/** Acceptance step by step (docs/protocol.md section 8): what each step sees, says and leaves to the next. */

const ORDERS = parsePrincipal('orders@demo.example')
const WEB = parsePrincipal('web@demo.example')
const GATE = parsePrincipal('gate@demo.example')
const NOW = 1_800_000_000_000
/** The clock before step 4 is not the one that step 4 reads. */
const BEFORE = NOW - 7
const FLOOR = NOW - 60_000
const HOUR = 3_600_000
const serviceKey = new LongTermKey(new Uint8Array(32).fill(1))

interface Held {
  readonly sealed: SealedTicket
  readonly key: SessionKey
}

function ticketOf(more: Partial<TicketContent> = {}): Held {
  const content = ticketContent(NOW - HOUR, NOW + HOUR, more)
  return { sealed: sealTicket(ORDERS, 1, serviceKey, content, systemRandom), key: content.key }
}

interface Presented {
  readonly ticket: Held
  readonly caveats?: readonly Uint8Array[]
  readonly delegated?: { ticket: Held; caveats?: readonly Uint8Array[]; client?: Principal }
}

function request({ ticket, caveats = [], delegated }: Presented, signedWith?: AuthKey) {
  const passedOn = delegated?.caveats ?? []
  const own = deriveAuthKey(ticket.key, caveats)
  const key = delegated ? combineAuthKeys(own, deriveAuthKey(delegated.ticket.key, passedOn)) : own
  const { bytes, mac } = createApRequest(TYPE.AP_REQ, signedWith ?? key, {
    ticket: ticket.sealed,
    caveats,
    time: NOW - 20,
    nonce: systemRandom(16),
    binding: systemRandom(32),
    delegated: delegated
      ? { ticket: delegated.ticket.sealed, caveats: passedOn, client: delegated.client ?? WEB }
      : null,
  })
  return { bytes, mac, key }
}

/** A service whose replay cache refuses as the test says, and remembers what it was asked. */
function service(more: Partial<AcceptOptions> = {}, refusal?: AdmissionRefusal) {
  const asked: AdmissionRequest[] = []
  const options: AcceptOptions = {
    type: TYPE.AP_REQ,
    service: ORDERS,
    tickets: { open: ticket => openTicket(ticket, serviceKey) },
    replayCache: {
      admit: admission => {
        asked.push(admission)
        return { now: NOW, floor: FLOOR, ...(refusal === undefined ? {} : { refusal }) }
      },
    },
    clock: { now: () => BEFORE, monotonic: () => 0 },
    method: 'GET',
    target: '/orders/7',
    checkers: new Map(),
    ...more,
  }
  return { asked, accept: (bytes: Uint8Array) => acceptRequest(bytes, options) }
}

async function refusalOf(work: Promise<unknown>): Promise<Refusal> {
  const error = await work.then(
    () => undefined,
    (cause: unknown) => cause,
  )
  expect(error).toBeInstanceOf(Refusal)
  return error as Refusal
}

const holder: Caveat = { name: 'holder', holder: GATE }
const methods = (...names: string[]): Uint8Array => encodeCaveat({ name: 'methods', methods: names })
const delegable = (more: Partial<TicketContent> = {}): Held => ticketOf({ flags: FLAG.DELEGABLE, ...more })

/** GATE presents WEB's ticket, all of it right. */
function delegation(own: Partial<TicketContent> = {}, theirs: Partial<TicketContent> = {}): Presented {
  const delegated = { ticket: delegable(theirs), caveats: [encodeCaveat(holder)] }
  return { ticket: ticketOf({ client: GATE, ...own }), delegated }
}

describe('a presentation of two tickets', () => {
  it('leaves no trace unless its MAC holds', async () => {
    const presented = delegation()
    const [own, theirs] = [presented.ticket, presented.delegated?.ticket as Held]
    const opened = new Map(
      [own, theirs].map(({ sealed }) => [sealed.box.at(-1), openTicket(sealed, serviceKey)]),
    )
    const tickets = { open: ({ box }: SealedTicket) => opened.get(box.at(-1)) as OpenedTicket }
    const keyOf = ({ sealed }: Held) => deriveAuthKey(tickets.open(sealed).key, [])
    const pair = () => combineAuthKeys(keyOf(own), keyOf(theirs))
    const bare = { ticket: own, delegated: { ticket: theirs } }
    const { accept } = service({ tickets })
    expect((await refusalOf(accept(request(bare, new AuthKey(systemRandom(32))).bytes))).code).toBe(
      'auth_failed',
    )
    expect(pair()).not.toBe(pair())
    expect((await refusalOf(accept(request(bare).bytes))).code).toBe('delegation_invalid')
    expect(pair()).toBe(pair())
  })
})

describe('an accepted request', () => {
  it('of a client says all that was proved', async () => {
    const claims = [
      ['level', 3],
      ['role', 'reader'],
    ] as const
    const named: Caveat = { name: 'claims', claims: ['role'] }
    const ticket = ticketOf({ claims, caveats: [encodeCaveat(named)] })
    const { bytes, mac, key } = request({ ticket, caveats: [methods('GET')] })
    const accepted = await service().accept(bytes)
    const opened = openTicket(ticket.sealed, serviceKey)
    expect(accepted).toMatchObject({ service: ORDERS, now: NOW, client: WEB, via: undefined })
    expect(accepted.request).toMatchObject({ bytes, mac, time: NOW - 20 })
    expect(revealKey(accepted.key)).toEqual(revealKey(key))
    expect(accepted.ticket).toEqual(opened)
    expect(accepted.tickets).toEqual([opened])
    expect(accepted.caveats).toEqual([named, { name: 'methods', methods: ['GET'] }])
    expect(accepted.claims).toEqual([['role', 'reader']])
    expect(accepted.claimsWithheld).toBe(true)
  })

  it("of a delegate speaks for the client, with the client's claims and all caveats of both", async () => {
    const all = [['role', 'gate']] as const
    const presented = delegation(
      { claims: all, caveats: [methods('GET', 'PUT')] },
      { claims: [['role', 'reader']] },
    )
    const { bytes, key } = request({ ...presented, caveats: [methods('GET')] })
    const accepted = await service().accept(bytes)
    expect(accepted).toMatchObject({ client: WEB, via: GATE, claims: [['role', 'reader']] })
    expect(revealKey(accepted.key)).toEqual(revealKey(key))
    expect(accepted.claimsWithheld).toBe(false)
    expect(accepted.ticket.client).toBe(WEB)
    expect(accepted.tickets.map(({ client }) => client)).toEqual([GATE, WEB])
    expect(accepted.caveats).toEqual([
      { name: 'methods', methods: ['GET', 'PUT'] },
      { name: 'methods', methods: ['GET'] },
      holder,
    ])
  })

  it('withholds claims of a ticket by that ticket’s caveats only', async () => {
    const named = encodeCaveat({ name: 'claims', claims: [] })
    const presented = delegation({ caveats: [named] }, { claims: [['role', 'reader']] })
    const accepted = await service().accept(request(presented).bytes)
    expect(accepted).toMatchObject({ claims: [['role', 'reader']], claimsWithheld: false })
  })

  it('leaves its proved chain with a ticket that is remembered', async () => {
    const ticket = ticketOf()
    const opened = openTicket(ticket.sealed, serviceKey)
    const { accept } = service({ tickets: { open: () => opened } })
    const caveats = [methods('GET')]
    const first = await accept(request({ ticket, caveats }).bytes)
    const second = await accept(request({ ticket, caveats }).bytes)
    expect(second.key).toBe(first.key)
    expect(second.caveats[0]).toBe(first.caveats[0])
    const forged = request({ ticket, caveats: [methods('PUT')] }, new AuthKey(systemRandom(32)))
    expect((await refusalOf(accept(forged.bytes))).code).toBe('auth_failed')
    expect(deriveAuthKey(opened.key, [methods('PUT')])).not.toBe(deriveAuthKey(opened.key, [methods('PUT')]))
  })
})

describe('before the MAC holds', () => {
  it('a refusal proves nothing and is stamped by the clock, and the replay cache is not asked', async () => {
    const { accept, asked } = service()
    const { bytes, key, mac } = request({ ticket: ticketOf() }, new AuthKey(systemRandom(32)))
    const refusal = await refusalOf(accept(bytes))
    expect(refusal).toMatchObject({ code: 'auth_failed', authenticated: false, presenter: undefined })
    expect(refusal.facts).toEqual({ principal: WEB })
    expect(openError(refusal.reply, key, mac)).toEqual({
      authenticated: false,
      code: 'auth_failed',
      time: BEFORE,
      floor: null,
      message: '',
    })
    expect(asked).toEqual([])
  })

  it.each([
    ['own', (own: AuthKey, _both: AuthKey) => own],
    ['delegated', (_own: AuthKey, both: AuthKey) => both],
  ])('the key of the %s ticket alone is not enough', async (_, choose) => {
    const presented = delegation()
    const delegated = presented.delegated as NonNullable<Presented['delegated']>
    const own = deriveAuthKey(presented.ticket.key, [])
    const key = choose(own, deriveAuthKey(delegated.ticket.key, delegated.caveats ?? []))
    expect((await refusalOf(service().accept(request(presented, key).bytes))).code).toBe('auth_failed')
  })

  it('an error of the program is not a refusal', async () => {
    const fault = new RangeError('a fault')
    const open = (): OpenedTicket => {
      throw fault
    }
    await expect(service({ tickets: { open } }).accept(request({ ticket: ticketOf() }).bytes)).rejects.toBe(
      fault,
    )
  })

  it('a message of the other type is malformed', async () => {
    const refusal = await refusalOf(
      service({ type: TYPE.AP_OPEN }).accept(request({ ticket: ticketOf() }).bytes),
    )
    expect(refusal).toMatchObject({ code: 'malformed', authenticated: false })
  })
})

describe('the replay cache', () => {
  it('is asked for the first 16 bytes of the MAC, the stamp, the presenter and the end', async () => {
    const { accept, asked } = service()
    const { bytes, mac } = request({ ticket: ticketOf() })
    await accept(bytes)
    expect(asked).toEqual([{ id: mac.subarray(0, 16), time: NOW - 20, presenter: WEB, endTime: NOW + HOUR }])
  })

  it.each([
    ["the presenter's", 1, 2],
    ["the client's", 2, 1],
  ])('is given the earliest end of both tickets: %s', async (_, own, theirs) => {
    const { accept, asked } = service()
    await accept(request(delegation({ endTime: NOW + own }, { endTime: NOW + theirs })).bytes)
    expect(asked).toMatchObject([{ presenter: GATE, endTime: NOW + 1 }])
  })

  it.each<[AdmissionRefusal, string]>([
    ['ticket_expired', 'a ticket of the request ended a while ago'],
    ['unavailable', "this machine's clock went back far; correct it or restart the service"],
    ['clock_skew', 'the time stamp of the request is outside the window'],
    ['replay', 'the request was received before'],
    ['rate_limited', 'the client has filled its share of the replay cache'],
  ])('refuses with %s, proved and not final, since a copy may have been handled', async (code, reason) => {
    const { bytes, key, mac } = request({ ticket: ticketOf({ endTime: 0 }) })
    const refusal = await refusalOf(service({}, code).accept(bytes))
    expect(refusal).toMatchObject({ code, reason, final: false, authenticated: true, presenter: WEB })
    expect(refusal.facts).toEqual({ expected: NOW, actual: NOW - 20, time: NOW, floor: FLOOR })
    const floor = code === 'clock_skew' ? FLOOR : null
    expect(openError(refusal.reply, key, mac)).toEqual({
      authenticated: true,
      code,
      time: NOW,
      floor,
      message: '',
    })
  })
})

describe('the checks behind the replay cache', () => {
  const end = { endTime: NOW }
  const early = { startTime: NOW + 60_001 }
  const put = () => ({ caveats: [methods('PUT')] })
  it.each<[string, () => Presented, string]>([
    ['a ticket that ends now', () => ({ ticket: ticketOf(end) }), 'ticket_expired'],
    ['a ticket that begins too late', () => ({ ticket: ticketOf(early) }), 'ticket_not_yet_valid'],
    ["the presenter's ticket that ends now", () => delegation(end), 'ticket_expired'],
    ["the client's ticket that ends now", () => delegation({}, end), 'ticket_expired'],
    ["the client's ticket that begins too late", () => delegation({}, early), 'ticket_not_yet_valid'],
    ['a caveat in the ticket', () => ({ ticket: ticketOf(put()) }), 'caveat_failed'],
    ['a caveat presented', () => ({ ticket: ticketOf(), ...put() }), 'caveat_failed'],
    ["a caveat in the presenter's ticket", () => delegation(put()), 'caveat_failed'],
    ["a caveat in the client's ticket", () => delegation({}, put()), 'caveat_failed'],
    [
      'a holder of a ticket presented by its client',
      () => ({ ticket: ticketOf(), caveats: [encodeCaveat(holder)] }),
      'caveat_failed',
    ],
  ])('refuse for %s', async (_, present, code) => {
    const presented = present()
    const { bytes, key, mac } = request(presented)
    const refusal = await refusalOf(service().accept(bytes))
    expect(refusal).toMatchObject({ code, final: true, authenticated: true })
    expect(refusal.presenter).toBe(presented.delegated ? GATE : WEB)
    expect(openError(refusal.reply, key, mac)).toMatchObject({ code, time: NOW, floor: null })
  })

  it.each<[string, () => Presented, string]>([
    [
      'a ticket not DELEGABLE',
      () => delegation({}, { flags: FLAG.PASSWORD }),
      `policy does not let ${WEB}'s ticket be delegated`,
    ],
    [
      'no holder',
      () => ({ ...delegation(), delegated: { ticket: delegable(), caveats: [methods('GET')] } }),
      'the delegated ticket names no holder',
    ],
    [
      'a holder of wrong form',
      () => ({ ...delegation(), delegated: { ticket: delegable(), caveats: [encode(['holder', 'gate'])] } }),
      'the delegated ticket names no holder',
    ],
    [
      'another client',
      () => ({
        ...delegation(),
        delegated: { ticket: delegable(), caveats: [encodeCaveat(holder)], client: GATE },
      }),
      'the presenter names a different client than the ticket',
    ],
  ])('refuse a delegation with %s before any caveat is looked at', async (_, present, reason) => {
    const bad = { ...present(), caveats: [methods('PUT')] }
    const refusal = await refusalOf(service().accept(request(bad).bytes))
    expect(refusal).toMatchObject({
      code: 'delegation_invalid',
      final: true,
      reason,
      facts: { principal: WEB },
    })
  })

  it.each<[string, () => Presented]>([
    [
      'in the ticket',
      () => ({ ...delegation(), delegated: { ticket: delegable({ caveats: [encodeCaveat(holder)] }) } }),
    ],
    [
      'beside one of wrong form, which then fails',
      () => ({
        ...delegation(),
        delegated: { ticket: delegable(), caveats: [encodeCaveat(holder), encode(['holder', 'gate'])] },
      }),
    ],
  ])('look for the holder caveat %s', async (_, present) => {
    const presented = present()
    const outcome = await service()
      .accept(request(presented).bytes)
      .then(
        ({ via }) => via,
        (error: Refusal) => error.code,
      )
    expect(outcome).toBe(presented.delegated?.caveats ? 'caveat_failed' : GATE)
  })

  it.each<[string, () => Presented, string | undefined]>([
    ['one of its own', () => ({ ticket: ticketOf(), ...put() }), 'methods'],
    [
      'one of its own of wrong form',
      () => ({ ticket: ticketOf(), caveats: [encode(['x', 1])] }),
      'of unknown form',
    ],
    ['one in its ticket', () => ({ ticket: ticketOf(put()) }), undefined],
    [
      'one in its ticket of wrong form',
      () => ({ ticket: ticketOf({ caveats: [encode(['x', 1])] }) }),
      undefined,
    ],
  ])('tell the presenter which caveat failed: %s', async (_, present, caveat) => {
    const { bytes, key, mac } = request(present())
    const refusal = await refusalOf(service().accept(bytes))
    expect(refusal).toMatchObject({ code: 'caveat_failed', final: true })
    expect(refusal.facts).toEqual(caveat === undefined ? {} : { caveat })
    const message = caveat === undefined ? '' : `caveat ${caveat}`
    expect(openError(refusal.reply, key, mac).message).toBe(message)
  })

  it.each(['presented', 'in the ticket'])('let a fault of a checker through: %s', async where => {
    const fault = new RangeError('a fault')
    const check = (): boolean => {
      throw fault
    }
    const caveats = [encodeCaveat({ name: 'app', app: 'tenant', value: 1 })]
    const presented =
      where === 'presented' ? { ticket: ticketOf(), caveats } : { ticket: ticketOf({ caveats }) }
    const { accept } = service({ checkers: new Map([['tenant', check]]) })
    await expect(accept(request(presented).bytes)).rejects.toBe(fault)
  })

  it('ask for revocation of every ticket, last and with the time of step 4', async () => {
    const asked: [Principal, Reading][] = []
    const requireValid = ({ client }: OpenedTicket, now: Reading): void => {
      asked.push([client, now])
      if (client === WEB) throw new OrthrusError('revoked', 'it was revoked', { final: true })
    }
    const { accept } = service({ revocation: { requireValid, endClock: now => now.wall } })
    expect((await refusalOf(accept(request(delegation({}, put())).bytes))).code).toBe('caveat_failed')
    expect(asked).toEqual([])
    expect((await refusalOf(accept(request(delegation()).bytes))).code).toBe('revoked')
    expect(asked).toEqual([
      [GATE, { wall: NOW, monotonic: 0 }],
      [WEB, { wall: NOW, monotonic: 0 }],
    ])
  })
})

describe('a service that knows KDC time', () => {
  it.each([
    [-1, undefined],
    [0, 'ticket_expired'],
  ] as const)('ends tickets by it: %s ms past the end', async (past, code) => {
    const ticket = ticketOf()
    const endClock = (): number => NOW + HOUR + past
    const { accept } = service({ revocation: { requireValid: () => {}, endClock } })
    const accepting = accept(request({ ticket }).bytes)
    if (code === undefined) await accepting
    else expect((await refusalOf(accepting)).code).toBe(code)
  })
})

describe('what comes after acceptance', () => {
  it('a binding that holds makes it a verified request', async () => {
    const accepted = await service().accept(request({ ticket: ticketOf() }).bytes)
    expect(requireBinding(accepted, accepted.request.binding.slice())).toBe(accepted)
  })

  it.each([
    ['its client', () => ({ ticket: ticketOf() }), WEB],
    ['a delegate', () => delegation(), GATE],
  ])('a refusal is proved and final, and names the presenter: %s', async (_, present, presenter) => {
    const { bytes, key, mac } = request(present())
    const accepted = await service().accept(bytes)
    const refusal = refuse(accepted, 'not_authorized', 'a claim is missing')
    const facts = { principal: WEB }
    const proved = { authenticated: true, final: true, presenter, facts }
    const wrong = accepted.request.binding.map((byte, i) => (i === 31 ? byte ^ 1 : byte))
    expect(refusal).toMatchObject({ ...proved, code: 'not_authorized', reason: 'a claim is missing' })
    expect(openError(refusal.reply, key, mac)).toMatchObject({
      code: 'not_authorized',
      time: NOW,
      floor: null,
    })
    expect(() => requireBinding(accepted, wrong)).toThrow(
      expect.objectContaining({
        ...proved,
        code: 'binding_mismatch',
        reason: 'the request is not the one that its client sent',
      }),
    )
  })
})

import { describe, expect, it } from 'vitest'
import { type AcceptedTicket, type RequireTicketOptions, requireTicket } from '../../../service/index.js'
import { FLAG } from '../../../shared/constants.js'
import type { Caveat } from '../../../shared/ticket/caveats.js'
import type { Claims } from '../../../shared/ticket/claims.js'
import { START } from '../../support/clock.js'
import { expectProved, expectRefused, GATE, ORDERS, startRealm, type TicketOptions, WEB } from '../realm.js'

const CLAIMS: Claims = [
  ['__proto__', 'polluted'],
  ['admin', false],
  ['constructor', 'builder'],
  ['level', 3],
  ['role', 'reader'],
  ['scopes', ['orders:read', 'orders:list']],
]

async function outcome(
  options: Partial<RequireTicketOptions>,
  ticket: TicketOptions = { claims: CLAIMS },
  caveats: readonly Caveat[] = [],
): Promise<'handled' | 'refused'> {
  const realm = await startRealm(options)
  const request = realm.sign({}, { ticket: realm.ticket(ticket), caveats })
  const response = await realm.send(request)
  if (realm.handled.length > 0) {
    expectProved(response, request)
    return 'handled'
  }
  expectRefused(response, request, 'not_authorized', '06')
  expectRefused(await realm.send(request), request, 'replay', '06')
  return 'refused'
}

describe('claims that a handler requires', () => {
  it.each([
    [{ role: 'reader' }, 'handled'],
    [{ role: 'reader', level: 3, admin: false }, 'handled'],
    [{ role: 'writer' }, 'refused'],
    [{ role: 'reader', level: 4 }, 'refused'],
    [{ level: '3' }, 'refused'],
    [{ admin: true }, 'refused'],
    [{ missing: 'x' }, 'refused'],
    [{ scopes: 'orders:read' }, 'handled'],
    [{ scopes: 'orders' }, 'refused'],
    [{ scopes: 0 }, 'refused'],
    [{ scopes: ['orders:list', 'orders:read'] }, 'handled'],
    [{ scopes: ['orders:list', 'orders:write'] }, 'refused'],
    [{ role: ['reader'] }, 'refused'],
    [{ ['__proto__']: 'polluted' }, 'handled'],
    [{ ['__proto__']: 'other' }, 'refused'],
    [{ constructor: 'builder' }, 'handled'],
    [{ toString: 'builder' }, 'refused'],
    [{ hasOwnProperty: true }, 'refused'],
  ] as const)('%j: %s', async (claims, expected) => {
    expect(await outcome({ claims: claims as unknown as Record<string, string> })).toBe(expected)
  })

  it.each(['__proto__', 'constructor', 'length', '0'])('%s is in no ticket by accident', async name => {
    const claims = { [name]: 'x' }
    expect(await outcome({ claims }, { claims: [['role', 'reader']] })).toBe('refused')
  })

  it('must be visible', async () => {
    const claims = { role: 'reader' }
    const names = [{ name: 'claims', claims: ['scopes'] }] as const
    expect(await outcome({ claims }, { claims: CLAIMS }, names)).toBe('refused')
    expect(await outcome({ claims }, { claims: CLAIMS, caveats: names })).toBe('refused')
    expect(await outcome({ claims }, { claims: CLAIMS }, [{ name: 'claims', claims: ['role'] }])).toBe(
      'handled',
    )
  })
})

describe('clients that are let in', () => {
  it.each([
    [['web/1'], 'handled'],
    [['web/1@demo.example'], 'handled'],
    [['batch', 'web/*'], 'handled'],
    [['web/2', 'batch'], 'refused'],
    [['web'], 'refused'],
    [['we/*'], 'refused'],
    [['web/1@other.example', 'web/*@other.example'], 'refused'],
  ] as const)('%j: %s', async (clients, expected) => {
    expect(await outcome({ clients })).toBe(expected)
  })

  it.each([[[]], ['web'], [['*']], [['@backend']], [['Web']], [[7]]])('%j cannot be meant', async clients => {
    const failure = await startRealm({ clients } as never).catch((cause: unknown) => cause)
    expect(failure).toBeInstanceOf(TypeError)
  })
})

describe('passwords', () => {
  it.each([
    ['requirePassword', FLAG.PASSWORD, 'handled'],
    ['requirePassword', 0, 'refused'],
    ['refusePassword', FLAG.PASSWORD, 'refused'],
    ['refusePassword', FLAG.DELEGABLE, 'handled'],
  ] as const)('%s, flags %d: %s', async (option, flags, expected) => {
    expect(await outcome({ [option]: true }, { flags })).toBe(expected)
  })

  it('refusePassword looks at the delegate too', async () => {
    const { send } = await startDelegation({ refusePassword: true }, { flags: FLAG.PASSWORD })
    await send('not_authorized')
  })
})

/** WEB's ticket, presented by GATE with a ticket of its own. */
async function startDelegation(
  options: Partial<RequireTicketOptions> = {},
  own: TicketOptions = {},
  delegated: TicketOptions = {},
  caveats: readonly Caveat[] = [{ name: 'holder', holder: GATE }],
  client = WEB,
) {
  const seen: AcceptedTicket[] = []
  const realm = await startRealm({
    ...options,
    handler: (_req, res, ticket) => {
      seen.push(ticket)
      res.end('hello')
    },
  })
  const ticket = realm.ticket({ client: GATE, claims: [['role', 'gate']], ...own })
  const theirs = realm.ticket({ flags: FLAG.DELEGABLE, claims: CLAIMS, ...delegated })
  const request = realm.sign({}, { ticket, delegated: { ticket: theirs, caveats, client } })
  const send = async (
    code?: Parameters<typeof expectRefused>[2],
    type: '05' | '06' = '06',
  ): Promise<void> => {
    const response = await realm.send(request)
    if (code === undefined) return expectProved(response, request)
    expectRefused(response, request, code, type)
    expect(seen).toEqual([])
    expect(realm.refused.at(-1)?.presenter).toBe(type === '06' ? GATE : undefined)
  }
  return { realm, seen, send, theirs }
}

describe('a delegated presentation', () => {
  it("shows the handler the client, the client's claims and who presents", async () => {
    const { seen, send, theirs } = await startDelegation()
    await send()
    expect(seen[0]).toMatchObject({ client: WEB, via: GATE, ticketId: theirs.ticketId, delegable: true })
    expect(seen[0]?.claims.role).toBe('reader')
  })

  it.each([
    ['is not delegable', {}, { flags: 0 }, undefined, undefined],
    ['names no holder', {}, {}, [], undefined],
    ['is said to be of another client', {}, {}, undefined, GATE],
  ])('of a ticket that %s: delegation_invalid', async (_, own, delegated, caveats, client) => {
    const { send } = await startDelegation({}, own, delegated, caveats, client)
    await send('delegation_invalid')
  })

  it.each([
    ['for another holder', [{ name: 'holder', holder: ORDERS }]],
    [
      'for two holders',
      [
        { name: 'holder', holder: GATE },
        { name: 'holder', holder: ORDERS },
      ],
    ],
  ] as const)('%s: caveat_failed', async (_, caveats) => {
    const { send } = await startDelegation({}, {}, {}, caveats)
    await send('caveat_failed')
  })

  it('is restricted by the caveats of the delegate’s own ticket too', async () => {
    const { send } = await startDelegation({}, { caveats: [{ name: 'methods', methods: ['POST'] }] })
    await send('caveat_failed')
  })

  it('ends with the ticket that ends first', async () => {
    const { send } = await startDelegation({}, {}, { endTime: START + 7_000 })
    await send('ticket_expired')
  })

  it.each([
    ['refuse', 'not_authorized'],
    [[], 'not_authorized'],
    [['web/1'], 'not_authorized'],
    [['gate@other.example'], 'not_authorized'],
    [['gate'], undefined],
    [['web/1', 'gate@demo.example'], undefined],
    ['allow', undefined],
  ] as const)('delegates %j: %s', async (delegates, code) => {
    const { send } = await startDelegation({ delegates })
    await send(code)
  })

  it('does not matter to a client that presents its own ticket', async () => {
    expect(await outcome({ delegates: 'refuse' })).toBe('handled')
  })

  it('gives the handler the claims of the client, not those of the delegate', async () => {
    const { send } = await startDelegation({ claims: { role: 'gate' } })
    await send('not_authorized')
  })
})

describe('the ticket that a handler gets', () => {
  async function ticketOf(options: TicketOptions, caveats: readonly Caveat[] = []) {
    let seen: AcceptedTicket | undefined
    const realm = await startRealm({
      handler: (req, res, ticket) => {
        seen = ticket
        expect(req.ticket).toBe(ticket)
        res.end()
      },
    })
    const held = realm.ticket(options)
    await realm.send(realm.sign({}, { ticket: held, caveats }))
    return { ticket: seen as unknown as AcceptedTicket, held }
  }

  it('has everything that a handler may want to know', async () => {
    const { ticket, held } = await ticketOf({
      claims: CLAIMS,
      flags: FLAG.PASSWORD,
      authTime: 5,
      endTime: START + 99_000,
    })
    expect(ticket).toEqual({
      client: WEB,
      via: undefined,
      service: ORDERS,
      claims: Object.fromEntries(CLAIMS),
      claimsWithheld: false,
      covered: [],
      ticketId: held.ticketId,
      authTime: 5,
      endTime: START + 99_000,
      passwordBased: true,
      delegable: false,
    })
  })

  it('has claims without a prototype', async () => {
    const { ticket } = await ticketOf({ claims: CLAIMS })
    expect(Object.getPrototypeOf(ticket.claims)).toBe(null)
    expect(new Map(Object.entries(ticket.claims)).get('__proto__')).toBe('polluted')
    const { ticket: bare } = await ticketOf({ claims: [] })
    expect(bare.claims.constructor).toBeUndefined()
    expect(Reflect.get(bare.claims, '__proto__')).toBeUndefined()
  })

  it('cannot be changed', async () => {
    const { ticket } = await ticketOf({ claims: CLAIMS })
    expect(Object.isFrozen(ticket)).toBe(true)
    expect(Object.isFrozen(ticket.claims)).toBe(true)
    expect(Object.isFrozen(ticket.claims.scopes)).toBe(true)
  })

  it('shows that claims are withheld, but not which', async () => {
    const { ticket } = await ticketOf({ claims: CLAIMS }, [{ name: 'claims', claims: ['role', 'unknown'] }])
    expect({ ...ticket.claims }).toEqual({ role: 'reader' })
    expect(ticket.claimsWithheld).toBe(true)
  })
})

describe('options that could not be meant so', () => {
  it.each([
    ['no service', { service: {} }],
    ['a look-alike of a service', { service: Object.create(null) }],
    ['a claim that is undefined', { claims: { role: undefined } }],
    ['a claim that is null', { claims: { role: null } }],
    ['a list of nothing', { claims: { role: [] } }],
    ['a list of numbers', { claims: { role: [1] } }],
    ['claims that set a prototype', { claims: { __proto__: { role: 'admin' } } }],
    ['a Map of claims', { claims: new Map([['role', 'admin']]) }],
    ['passwords both ways', { requirePassword: true, refusePassword: true }],
    ['delegates of an unknown kind', { delegates: 'gate' }],
    ['a delegate outside the grammar', { delegates: ['Gate'] }],
    ['a checker that is none', { caveats: { tenant: true } }],
    ['a limit below 0', { maxBody: -1 }],
    ['a limit that is no number', { maxResponse: '1mb' }],
  ])('%s: TypeError', async (_, options) => {
    const { service } = await startRealm()
    expect(() => requireTicket({ service, ...options } as unknown as RequireTicketOptions)).toThrow(TypeError)
  })

  it('a handler that is not a function: TypeError', async () => {
    const { service } = await startRealm()
    expect(() => requireTicket({ service }, 'handler' as never)).toThrow(TypeError)
  })
})

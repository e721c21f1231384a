import { describe, expect, it } from 'vitest'
import { ChannelOpener } from '../../../kdc/channel/channel-opener.js'
import { DEFAULT_LIMITS } from '../../../kdc/limits/defaults.js'
import { createRateLimits, NO_RATE_LIMITS } from '../../../kdc/limits/rate-limits.js'
import type { WatchListener } from '../../../kdc/store/store.js'
import { ADMIN_METHODS } from '../../../shared/administration/methods.js'
import { encodePolicyRule } from '../../../shared/administration/rules.js'
import type { AcceptedChannel, ChannelCarrier } from '../../../shared/channel/accepted-channel.js'
import { decodeAnswer, encodeCall, type KdcAnswer } from '../../../shared/channel/calls.js'
import { type RecordChannel, startChannel } from '../../../shared/channel/records.js'
import { CHANNELS_WAITING, TYPE } from '../../../shared/constants.js'
import { deriveAuthKey } from '../../../shared/crypto/derive.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { encode } from '../../../shared/encoding/encoding.js'
import { openError, openUnauthenticatedError } from '../../../shared/encoding/error.js'
import { OrthrusError } from '../../../shared/errors.js'
import { createApRequest, openApAccept } from '../../../shared/exchange/ap.js'
import { encodeCaveat } from '../../../shared/ticket/caveats.js'
import type { Grant } from '../../../shared/ticket/grant.js'
import { decodeTicket, sealTicket, type TicketContent } from '../../../shared/ticket/ticket.js'
import { HOUR } from '../../../shared/time.js'
import {
  ADDRESS,
  ask,
  grantOf,
  type Identity,
  local,
  login,
  pattern,
  ruleOf,
  START,
  type TestRealm,
  testRealm,
} from '../../support/realm.js'
import { sharedStore } from '../../support/shared-store.js'
import { type OpeningQuestion, openingOf } from '../socket.js'

/** The KDC's side without a socket, and a client's side that sees what was sent. */
interface Scene extends TestRealm {
  readonly opener: ChannelOpener
  readonly grant: Grant
}

interface Opened {
  readonly channel: AcceptedChannel
  readonly records: RecordChannel
  readonly sent: Uint8Array[]
  ended: boolean
}

async function scene(options: Parameters<typeof testRealm>[0] = {}): Promise<Scene> {
  const realm = await testRealm(options)
  await realm.add('web')
  const grant = await kdcTicket(realm, realm.admin)
  return { ...realm, opener: new ChannelOpener(realm.context), grant }
}

async function kdcTicket(realm: TestRealm, client: Identity): Promise<Grant> {
  return grantOf(await login(realm, client, { services: [local('kdc')], time: realm.realm.time.now() }), 1)
}

function incoming(realm: Scene, bytes: Uint8Array) {
  return { bytes, address: ADDRESS, now: realm.realm.time.now() }
}

/** Lets what is ready happen. */
async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise(setImmediate)
}

const nowhere: ChannelCarrier = { send: async () => {}, ended: () => {} }

/** The KDC's answer to an AP-OPEN: `accepted`, or `06 replay` and the like. */
async function outcomeOf(
  realm: Scene,
  grant: Grant,
  question: Partial<OpeningQuestion> = {},
): Promise<string> {
  const { request, key } = openingOf(grant, { time: realm.realm.time.now(), ...question })
  return told(realm, request, key)
}

async function told(
  realm: Scene,
  request: ReturnType<typeof openingOf>['request'],
  key: ReturnType<typeof openingOf>['key'],
): Promise<string> {
  const { reply } = await realm.opener.open(incoming(realm, request.bytes), nowhere)
  if (reply[1] === TYPE.AP_ACCEPT) return 'accepted'
  const { code, authenticated } = openError(reply, key, request.mac)
  return `${authenticated ? '06' : '05'} ${code}`
}

async function open(
  realm: Scene,
  grant = realm.grant,
  question: Partial<OpeningQuestion> = {},
): Promise<Opened> {
  const { request, key } = openingOf(grant, { time: realm.realm.time.now(), ...question })
  const sent: Uint8Array[] = []
  const state = { ended: false }
  const carrier = {
    send: async (message: Uint8Array) => void sent.push(message),
    ended: () => {
      state.ended = true
    },
  }
  const { reply, channel } = await realm.opener.open(incoming(realm, request.bytes), carrier)
  if (channel === undefined) throw new Error(`refused: ${openUnauthenticatedError(reply).code}`)
  openApAccept(key, request.mac, reply)
  const records = startChannel('client', key, request.bytes, reply, 1 << 20)
  return Object.assign(state, { channel, records, sent })
}

async function say(opened: Opened, message: Uint8Array): Promise<void> {
  for (const record of opened.records.sealMessage(message)) await opened.channel.receive(record)
}

/** What came, in order: answers, `ended`, or `broken`. */
function heard({ sent, records }: Opened): (KdcAnswer | string)[] {
  return sent.splice(0).flatMap(message => {
    if (message[1] !== TYPE.RECORD) return [`broken: ${openUnauthenticatedError(message).code}`]
    const event = records.open(message)
    if (event === undefined) return []
    return [event.kind === 'end' ? 'ended' : decodeAnswer(event.message)]
  })
}

let calls = 0

async function call(
  opened: Opened,
  method: string,
  ...args: Parameters<typeof encodeCall>[0]['args'][number][]
): Promise<KdcAnswer | string | undefined> {
  await say(opened, encodeCall({ n: ++calls, method, args }))
  return heard(opened)[0]
}

describe('an AP-OPEN at the KDC', () => {
  it('is answered by an AP-ACCEPT with a nonce of its own, and gives a channel', async () => {
    const realm = await scene()
    const opened = await open(realm)
    expect(await call(opened, 'show', local('web'))).toMatchObject({ results: [expect.any(Array)] })
    expect(opened.ended).toBe(false)
  })

  it.each<[string, (realm: Scene) => Promise<string>, string]>([
    [
      'with a binding for another target',
      realm => outcomeOf(realm, realm.grant, { binding: systemRandom(32) }),
      '06 binding_mismatch',
    ],
    ['stamped too early', realm => outcomeOf(realm, realm.grant, { time: START - 60_001 }), '06 clock_skew'],
    [
      'stamped just not too early',
      realm => outcomeOf(realm, realm.grant, { time: START - 60_000 }),
      'accepted',
    ],
    ['stamped too late', realm => outcomeOf(realm, realm.grant, { time: START + 5_001 }), '06 clock_skew'],
    ['of type AP-REQ', realm => outcomeOf(realm, realm.grant, { type: TYPE.AP_REQ }), '05 malformed'],
    [
      'under a path that it may not',
      realm => outcomeOf(realm, realm.grant, { caveats: [encodeCaveat({ name: 'paths', prefixes: ['/'] })] }),
      '06 caveat_failed',
    ],
    [
      'under an expired caveat',
      realm => outcomeOf(realm, realm.grant, { caveats: [encodeCaveat({ name: 'expires', time: START })] }),
      '06 caveat_failed',
    ],
    [
      'for another service',
      realm =>
        outcomeOf(realm, realm.grant, {
          caveats: [encodeCaveat({ name: 'services', services: [local('web')] })],
        }),
      '06 caveat_failed',
    ],
    [
      'under another key',
      async realm => {
        const other = await kdcTicket(realm, realm.admin)
        return outcomeOf(realm, { ...realm.grant, key: other.key })
      },
      '05 auth_failed',
    ],
    [
      'with the TGT',
      async realm => outcomeOf(realm, grantOf(await login(realm, realm.admin))),
      '05 ticket_invalid',
    ],
    [
      'with a ticket for another service',
      async realm => {
        await realm.allow('admin', 'web')
        return outcomeOf(realm, grantOf(await login(realm, realm.admin, { services: [local('web')] }), 1))
      },
      '05 ticket_invalid',
    ],
    [
      'by a client that was disabled',
      async realm => {
        await realm.call('disable', [local('admin')])
        return outcomeOf(realm, realm.grant)
      },
      '06 revoked',
    ],
    [
      'by a client that was removed',
      async realm => {
        await realm.call('remove', [local('admin')])
        return outcomeOf(realm, realm.grant)
      },
      '06 revoked',
    ],
    [
      'by a client that expired',
      async realm => {
        await realm.amend('admin', record => ({ ...record, expiresAt: START }))
        return outcomeOf(realm, realm.grant)
      },
      '06 principal_disabled',
    ],
    [
      'by one made again under the name',
      async realm => {
        await realm.call('remove', [local('admin')])
        await realm.add('admin')
        return outcomeOf(realm, realm.grant)
      },
      '06 revoked',
    ],
    [
      'under a retired key of kdc',
      async realm => {
        await realm.amend('kdc', record => ({
          ...record,
          keys: record.keys.map(key => ({ ...key, kvno: 2 })),
          lastKvno: 2,
        }))
        return outcomeOf(realm, realm.grant)
      },
      '05 ticket_invalid',
    ],
    [
      'with a ticket that ended',
      async realm => {
        realm.clock.set(realm.grant.endTime)
        return outcomeOf(realm, realm.grant)
      },
      '06 ticket_expired',
    ],
    [
      'without the role',
      async realm => outcomeOf(realm, await kdcTicket(realm, await realm.add('reader'))),
      'accepted',
    ],
  ])('%s: %#', async (_, act, expected) => {
    expect(await act(await scene())).toBe(expected)
  })

  it('is a replay while the first copy waits, and afterwards gets a new nonce and cannot speak', async () => {
    const realm = await scene()
    const { request, key } = openingOf(realm.grant, { time: START })
    const first: Uint8Array[] = []
    const one = await realm.opener.open(incoming(realm, request.bytes), {
      ...nowhere,
      send: async m => void first.push(m),
    })
    expect(await told(realm, request, key)).toBe('06 replay')
    const records = startChannel('client', key, request.bytes, one.reply, 1000)
    const greeting = records.sealGreeting()
    await one.channel?.receive(greeting)
    const sent: Uint8Array[] = []
    const two = await realm.opener.open(incoming(realm, request.bytes), {
      ...nowhere,
      send: async m => void sent.push(m),
    })
    expect(two.reply).not.toEqual(one.reply)
    await two.channel?.receive(greeting)
    expect(sent.map(message => openUnauthenticatedError(message).code)).toEqual(['malformed'])
    expect(first).toEqual([])
  })

  it('that somebody repeats does not count against its client, takes none of its places, and is logged once', async () => {
    const rates = createRateLimits({ ...DEFAULT_LIMITS, requestsPerClient: { points: 40, interval: HOUR } })
    const realm = await testRealm({ rates })
    const grant = await kdcTicket(realm, realm.admin)
    const own = { ...realm, opener: new ChannelOpener(realm.context), grant }
    const recorded: Uint8Array[] = []
    for (let i = 0; i < CHANNELS_WAITING; i++) {
      const { request } = openingOf(grant, { time: START })
      recorded.push(request.bytes)
      const { channel } = await own.opener.open(incoming(own, request.bytes), nowhere)
      channel?.close()
    }
    const elsewhere = { address: '198.51.100.7', now: START }
    for (const bytes of recorded) {
      for (let i = 0; i < 3; i++) await own.opener.open({ bytes, ...elsewhere }, nowhere)
    }
    // All places of the other address are taken now, and none of the ticket's.
    for (let i = 0; i < CHANNELS_WAITING; i++) expect(await outcomeOf(own, grant)).toBe('accepted')
    expect(await outcomeOf(own, grant)).toBe('06 rate_limited')
    realm.clock.advance(5_000)
    for (let i = 0; i < 8; i++) expect(await outcomeOf(own, grant)).toBe('accepted')
    expect(await outcomeOf(own, grant)).toBe('06 rate_limited')
    const told = realm.logger.lines.filter(({ fields }) => fields.address === elsewhere.address)
    // The channels of repeats, of which only the first 16 were opened, end when their time to speak is over.
    const broken = told.filter(({ message }) => message === 'channel broken')
    expect(broken.length).toBe(CHANNELS_WAITING)
    expect(told.filter(each => !broken.includes(each)).map(({ message }) => message)).toEqual(
      Array(CHANNELS_WAITING).fill('a proved request was repeated; further repeats of it are not logged'),
    )
  })

  it('leaves nothing waiting if it is refused', async () => {
    const realm = await scene()
    const { request, key } = openingOf(realm.grant, { time: START, binding: systemRandom(32) })
    for (let i = 0; i <= CHANNELS_WAITING; i++)
      expect(await told(realm, request, key)).toBe('06 binding_mismatch')
    expect(await outcomeOf(realm, realm.grant)).toBe('accepted')
  })

  it('waits with at most 15 others of its ticket, and 5 s for the first record', async () => {
    const realm = await scene()
    const waiting = []
    for (let i = 0; i < CHANNELS_WAITING; i++) waiting.push(await open(realm))
    expect(await outcomeOf(realm, realm.grant)).toBe('06 rate_limited')
    const [first] = waiting
    if (first === undefined) throw new Error('none')
    await first.channel.receive(first.records.sealGreeting())
    waiting.push(await open(realm))
    expect(await outcomeOf(realm, realm.grant)).toBe('06 rate_limited')
    realm.clock.advance(5_000)
    expect(waiting.map(({ ended }) => ended)).toEqual([false, ...Array(CHANNELS_WAITING).fill(true)])
    expect(heard(waiting[1] as Opened)).toEqual(['broken: malformed'])
    expect(await outcomeOf(realm, realm.grant)).toBe('accepted')
  })

  it('does not count a first record that comes late, even if the timer is late too', async () => {
    const realm = await scene()
    const late = await open(realm)
    realm.clock.pass(5_001)
    await late.channel.receive(late.records.sealGreeting())
    expect(heard(late)).toEqual(['broken: malformed'])
    const inTime = await open(realm)
    realm.clock.pass(5_000)
    await inTime.channel.receive(inTime.records.sealGreeting())
    expect(heard(inTime)).toEqual([])
  })

  it('can be presented by a delegate, who then answers for it too', async () => {
    const realm = await scene()
    const deputy = await realm.add('deputy')
    await realm.call(
      'allow',
      rule({ client: pattern('admin'), claims: [['role', 'admin']], delegable: true }),
    )
    const delegated = await kdcTicket(realm, realm.admin)
    const own = await kdcTicket(realm, deputy)
    const { combineAuthKeys } = await import('../../../shared/crypto/derive.js')
    const holder = [encodeCaveat({ name: 'holder', holder: deputy.principal })]
    const key = combineAuthKeys(deriveAuthKey(own.key, []), deriveAuthKey(delegated.key, holder))
    const question = {
      ...openingOf(own, { time: START }).request,
      delegated: { ticket: decodeTicket(delegated.ticket), caveats: holder, client: local('admin') },
    }
    const request = createApRequest(TYPE.AP_OPEN, key, question)
    const sent: Uint8Array[] = []
    const { reply, channel } = await realm.opener.open(incoming(realm, request.bytes), {
      ...nowhere,
      send: async m => void sent.push(m),
    })
    if (channel === undefined) throw new Error('refused')
    const opened = {
      channel,
      sent,
      ended: false,
      records: startChannel('client', key, request.bytes, reply, 10_000),
    }
    expect(await call(opened, 'show', local('web'))).toHaveProperty('results')
    expect(await call(opened, 'remove', local('admin'))).toMatchObject({ code: 'not_authorized' })
    expect(await call(opened, 'remove', local('deputy'))).toMatchObject({ code: 'not_authorized' })
    await realm.call('disable', [local('deputy')])
    await expect.poll(() => heard(opened)).toEqual(['ended'])
  })
})

function rule(fields: Partial<ReturnType<typeof ruleOf>>) {
  return encodePolicyRule({ ...ruleOf('admin', 'kdc'), ...fields })
}

describe('the role', () => {
  const someone = async (realm: Scene, claims: TicketContent['claims']): Promise<Grant> => {
    const reader = await realm.add('reader')
    await realm.call('allow', rule({ client: pattern('reader'), claims }))
    return kdcTicket(realm, reader)
  }

  it.each<[string, TicketContent['claims'], boolean]>([
    ['no claim', [], false],
    ['another role', [['role', 'reader']], false],
    ['another claim', [['roles', 'admin']], false],
    ['a list of roles', [['role', ['admin']]], false],
    ['another spelling', [['role', 'Admin']], false],
    ['the role', [['role', 'admin']], true],
  ])('%s: every method', async (_, claims, allowed) => {
    const realm = await scene()
    const opened = await open(realm, await someone(realm, claims))
    for (const method of [...ADMIN_METHODS, 'nonsense', '__proto__']) {
      // None of them takes a number; all but one take something.
      const answer = await call(opened, method, 7)
      expect(answer, method).toMatchObject({ code: allowed ? 'malformed' : 'not_authorized' })
    }
    expect(await call(opened, 'show', local('web'))).toMatchObject(
      allowed ? { results: [expect.anything()] } : { code: 'not_authorized' },
    )
  })

  it('counts only if no caveat withholds it', async () => {
    const realm = await scene()
    const opened = await open(realm, realm.grant, {
      caveats: [encodeCaveat({ name: 'claims', claims: ['other'] })],
    })
    expect(await call(opened, 'show', local('web'))).toMatchObject({
      code: 'not_authorized',
      message: expect.stringContaining('withholds'),
    })
    const visible = await open(realm, realm.grant, {
      caveats: [encodeCaveat({ name: 'claims', claims: ['role'] })],
    })
    expect(await call(visible, 'show', local('web'))).toHaveProperty('results')
  })

  it('cannot come from a ticket that somebody else made', async () => {
    const realm = await scene()
    const web = await realm.record('web')
    const content = {
      ...realm.grant,
      client: local('web'),
      clientId: web.clientId,
      claims: [['role', 'admin']] as const,
      caveats: [],
    }
    const forged = sealTicket(
      local('kdc'),
      1,
      (web.keys[0] ?? { key: realm.admin.key }).key,
      content,
      systemRandom,
    )
    expect(await outcomeOf(realm, { ...realm.grant, ticket: forged.bytes })).toBe('05 ticket_invalid')
  })
})

describe('a channel', () => {
  it('answers calls in order, and errors with a code and a hint', async () => {
    const realm = await scene()
    const opened = await open(realm)
    const calls = [
      { n: 7, method: 'disable', args: [local('web')] },
      { n: 5, method: 'show', args: [local('web')] },
      { n: 6, method: 'show', args: [local('ghost')] },
    ]
    await Promise.all(
      calls
        .flatMap(call => opened.records.sealMessage(encodeCall(call)))
        .map(record => opened.channel.receive(record)),
    )
    expect(heard(opened)).toEqual([
      { n: 7, results: [1] },
      { n: 5, results: [expect.arrayContaining([local('web'), true])] },
      {
        n: 6,
        code: 'unknown_service',
        message: 'there is no principal ghost@demo.example; run: orthrus admin list',
      },
    ])
  })

  it('carries messages of more than one record both ways', async () => {
    const realm = await scene()
    for (let i = 0; i < 40; i++) {
      const claims = [['a', 'x'.repeat(1900)]] as const
      await realm.allow(`c${i}`, 'web', { claims })
    }
    const opened = await open(realm)
    const record = opened.records.sealMessage(encodeCall({ n: 1, method: 'policy', args: [null, 100] }))
    for (const part of record) await opened.channel.receive(part)
    expect(opened.sent.length).toBeGreaterThan(1)
    expect(heard(opened)).toMatchObject([{ n: 1, results: [expect.objectContaining({ length: 41 })] }])
  })

  it.each<[string, (opened: Opened) => Uint8Array]>([
    ['a record of somebody else', () => new Uint8Array([1, TYPE.RECORD, ...systemRandom(40)])],
    ['a record that is cut off', opened => opened.records.sealGreeting().slice(0, -1)],
    ['no call', opened => opened.records.sealMessage(new Uint8Array([1, 2, 3]))[0] as Uint8Array],
    ['a call numbered 0', opened => opened.records.sealMessage(encode([0, 'show']))[0] as Uint8Array],
    ['a call without a method', opened => opened.records.sealMessage(encode([1]))[0] as Uint8Array],
    ['an answer', opened => opened.records.sealMessage(encode([1, null]))[0] as Uint8Array],
  ])('breaks at %s, and reports it', async (_, make) => {
    const realm = await scene()
    const opened = await open(realm)
    await opened.channel.receive(make(opened))
    expect(heard(opened)).toEqual(['broken: malformed'])
    expect(opened.ended).toBe(true)
    await opened.channel.receive(opened.records.sealGreeting())
    expect(heard(opened)).toEqual([])
  })

  it('breaks at a record that comes twice, or out of order', async () => {
    const realm = await scene()
    const twice = await open(realm)
    const greeting = twice.records.sealGreeting()
    await twice.channel.receive(greeting)
    await twice.channel.receive(greeting)
    expect(heard(twice)).toEqual(['broken: malformed'])
    const skipped = await open(realm)
    skipped.records.sealGreeting()
    await skipped.channel.receive(skipped.records.sealGreeting())
    expect(heard(skipped)).toEqual(['broken: malformed'])
  })

  it('takes no record of another channel, nor its own sent back', async () => {
    const realm = await scene()
    const one = await open(realm)
    const two = await open(realm)
    await two.channel.receive(one.records.sealGreeting())
    expect(heard(two)).toEqual(['broken: malformed'])
    await say(one, encodeCall({ n: 1, method: 'list', args: [null, 1] }))
    const [answer] = one.sent
    await one.channel.receive(answer ?? new Uint8Array())
    expect(heard(one).at(-1)).toBe('broken: malformed')
  })

  it('takes at most 1 KiB from somebody who is not an administrator', async () => {
    const realm = await scene()
    const anybody = await realm.add('anybody')
    const grant = await kdcTicket(realm, anybody)
    const [within, beyond] = [await open(realm, grant), await open(realm, grant)]
    await say(within, encodeCall({ n: 1, method: 'list', args: [new Uint8Array(1_000)] }))
    expect(heard(within)).toMatchObject([{ n: 1, code: 'not_authorized' }])
    await say(beyond, encodeCall({ n: 1, method: 'list', args: [new Uint8Array(1_100)] }))
    expect(heard(beyond)).toEqual(['broken: malformed'])
  })

  it('breaks at a message of more than 64 KiB', async () => {
    const realm = await scene()
    const opened = await open(realm)
    await say(opened, new Uint8Array(64 * 1024 + 1))
    expect(heard(opened)).toEqual(['broken: malformed'])
  })

  it('ends when the client does, after answering what was asked', async () => {
    const realm = await scene()
    const opened = await open(realm)
    const records = [
      ...opened.records.sealMessage(encodeCall({ n: 1, method: 'list', args: [null, 1] })),
      opened.records.sealEnd(),
    ]
    await Promise.all(records.map(record => opened.channel.receive(record)))
    expect(heard(opened)).toEqual([{ n: 1, results: [expect.any(Array)] }, 'ended'])
    expect(opened.ended).toBe(true)
  })

  it.each<[string, (realm: Scene) => Promise<unknown>, boolean]>([
    ['its client is disabled', realm => realm.call('disable', [local('admin')]), true],
    ['its client is removed', realm => realm.call('remove', [local('admin')]), true],
    [
      "its client's tickets are revoked",
      realm => realm.amend('admin', record => ({ ...record, clientId: systemRandom(8) })),
      true,
    ],
    ['its client expires', realm => realm.amend('admin', record => ({ ...record, expiresAt: START })), true],
    [
      'the key of kdc is retired',
      realm =>
        realm.amend('kdc', record => ({
          ...record,
          lastKvno: 2,
          keys: record.keys.map(key => ({ ...key, kvno: 2 })),
        })),
      true,
    ],
    [
      'its client changes otherwise',
      realm => realm.amend('admin', record => ({ ...record, maxLife: 5 })),
      false,
    ],
    ['somebody else is removed', realm => realm.call('remove', [local('web')]), false],
  ])('ends immediately when %s: %#', async (_, act, ends) => {
    const realm = await scene()
    const opened = await open(realm)
    expect(await call(opened, 'list', null, 1)).toHaveProperty('results')
    await act(realm)
    for (let i = 0; i < 20; i++) await Promise.resolve()
    expect(heard(opened)).toEqual(ends ? ['ended'] : [])
    expect(opened.ended).toBe(ends)
  })

  it.each<[string, (realm: Scene) => Promise<unknown>, boolean]>([
    ['nothing has changed', async () => {}, false],
    ['its client was disabled', realm => realm.call('disable', [local('admin')]), true],
  ])('waits for a KDC that may not have seen all changes, which finds that %s', async (_, act, ends) => {
    const { store, replica } = sharedStore()
    const listeners: WatchListener[] = []
    const watch = store.watch.bind(store)
    store.watch = listener => {
      listeners.push(listener)
      return watch(listener)
    }
    const realm = await scene({ store })
    const opened = await open(realm)
    let known: () => void = () => {}
    replica.becomingCurrent = new Promise(resolve => {
      known = resolve
    })
    replica.current = false
    // As when it has its place again: everything may have changed.
    for (let i = 0; i < 3; i++) for (const listener of listeners) void listener('principal', undefined)
    await act(realm)
    await settled()
    expect(await call(opened, 'list', null, 1)).toMatchObject({ code: 'unavailable' })
    expect([opened.ended, heard(opened)]).toEqual([false, []])
    replica.current = true
    known()
    await settled()
    expect(opened.ended).toBe(ends)
    if (!ends) expect(await call(opened, 'list', null, 1)).toHaveProperty('results')
  })

  it('checks at each call whether its client still exists, even if no change was reported', async () => {
    const realm = await scene()
    const opened = await open(realm)
    expect(await call(opened, 'list', null, 1)).toHaveProperty('results')
    realm.clock.set(realm.grant.endTime)
    await say(opened, encodeCall({ n: 9, method: 'disable', args: [local('web')] }))
    expect(heard(opened)).toMatchObject([{ n: 9, code: 'ticket_expired' }, 'ended'])
    expect((await realm.record('web')).disabled).toBe(false)
  })

  it('carries out no call of a client that was disabled while the call waited for its turn', async () => {
    const realm = await scene()
    const opened = await open(realm)
    expect(await call(opened, 'list', null, 1)).toHaveProperty('results')
    const commit = realm.store.commit.bind(realm.store)
    let release = (): void => {}
    const released = new Promise<void>(resolve => {
      release = resolve
    })
    realm.store.commit = async changes => {
      await released
      await commit(changes)
    }
    const disabling = realm.call('disable', [local('admin')])
    const ordered = say(opened, encodeCall({ n: 9, method: 'disable', args: [local('web')] }))
    for (let i = 0; i < 50; i++) await Promise.resolve()
    release()
    await Promise.all([disabling, ordered])
    expect((await realm.record('web')).disabled).toBe(false)
  })

  it('counts each call against its client', async () => {
    const realm = await scene()
    const opened = await open(realm)
    let counted = 0
    const requireClient = (): void => {
      if (++counted > 2) throw new OrthrusError('rate_limited', 'too many')
    }
    Object.assign(realm.context, { rates: { ...NO_RATE_LIMITS, requireClient } })
    for (const expected of ['results', 'results', 'code']) {
      expect(await call(opened, 'list', null, 1)).toHaveProperty(expected)
    }
  })

  it('ends with its ticket, or with an expires that comes first', async () => {
    const realm = await scene()
    const long = await open(realm)
    const short = await open(realm, realm.grant, {
      caveats: [encodeCaveat({ name: 'expires', time: START + 1000 })],
    })
    for (const opened of [long, short]) await opened.channel.receive(opened.records.sealGreeting())
    realm.clock.advance(999)
    expect([long.ended, short.ended]).toEqual([false, false])
    realm.clock.advance(1)
    expect([long.ended, short.ended]).toEqual([false, true])
    expect(heard(short)).toEqual(['ended'])
    realm.clock.advance(HOUR)
    expect(long.ended).toBe(true)
  })

  it('leaves nothing behind', async () => {
    const realm = await scene()
    for (let i = 0; i < 100; i++) {
      const opened = await open(realm)
      await opened.channel.receive(opened.records.sealGreeting())
      opened.channel.close()
    }
    expect(realm.clock.timers.all).toBe(0)
    expect(await ask(realm, grantOf(await login(realm, realm.admin)))).toHaveProperty('reply')
  })
})

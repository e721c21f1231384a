import { describe, expect, it } from 'vitest'
import { openKdcChannel } from '../../../client/channel/kdc-channel.js'
import { concatBytes } from '../../../shared/bytes.js'
import { encodeEvent } from '../../../shared/channel/calls.js'
import { channelBinding } from '../../../shared/channel/records.js'
import { TYPE } from '../../../shared/constants.js'
import { deriveAuthKey } from '../../../shared/crypto/derive.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { createAuthenticatedError } from '../../../shared/encoding/error.js'
import type { WireCode } from '../../../shared/errors.js'
import { createApAccept, decodeApRequest, verifyApRequest } from '../../../shared/exchange/ap.js'
import { openTicket } from '../../../shared/ticket/ticket.js'
import { SECOND } from '../../../shared/time.js'
import { turns } from '../../support/turns.js'
import { type FakeKdc, type FakeSocket, KDC, ORDERS } from '../fake-kdc.js'
import { failureOf, Setting } from '../setting.js'

async function prepare() {
  const setting = new Setting()
  const realm = await setting.connect()
  return { kdc: setting.kdc, time: setting.time, realm }
}

/** The channels that are open at the KDC, of all its connections. */
function channels(kdc: FakeKdc) {
  return [...kdc.sockets].flatMap((socket: FakeSocket) =>
    [...socket.channels].map(([id, channel]) => ({ id, socket, ...channel })),
  )
}

describe('a channel to kdc@realm', () => {
  it('is opened with a ticket for kdc, and can be used immediately', async () => {
    const { kdc, realm } = await prepare()
    await openKdcChannel(realm)
    expect(kdc.log).toEqual(['AS kdc', 'OPEN'])
    const request = decodeApRequest(TYPE.AP_OPEN, kdc.asked[1]?.bytes as Uint8Array)
    expect(request.binding).toEqual(channelBinding(''))
    expect(request).toMatchObject({ caveats: [], delegated: null, time: kdc.now() })
    const ticket = openTicket(request.ticket, kdc.keyOf(KDC))
    expect(verifyApRequest(request, deriveAuthKey(ticket.key, []), ticket.client)).toBe(request)
    await turns()
    expect(channels(kdc).map(({ said }) => said)).toEqual([['part']])
  })

  it('carries one message for each call and answer, in any order', async () => {
    const { kdc, realm } = await prepare()
    const channel = await openKdcChannel(realm)
    kdc.call = ({ n, method, args }) => ({ n, results: [method, ...args] })
    const large = new Uint8Array(200_000).fill(7)
    const answers = await Promise.all([
      channel.call('list', [null, 100]),
      channel.call('echo', [large.slice(0, 60_000), [1, [true]], 'text']),
    ])
    expect(answers).toEqual([
      ['list', null, 100],
      ['echo', large.slice(0, 60_000), [1, [true]], 'text'],
    ])
    expect((await realm.getServiceTicket('orders')).service).toBe(ORDERS)
  })

  it('reports the code and the message of an error', async () => {
    const { kdc, realm } = await prepare()
    const channel = await openKdcChannel(realm)
    kdc.call = ({ n }) => ({ n, code: 'not_authorized', message: 'no role' })
    const cause = await failureOf(channel.call('list', []))
    expect(cause).toMatchObject({ code: 'not_authorized', final: true, reason: 'no role' })
    expect(String(cause)).toBe('OrthrusError: not_authorized: no role')
    kdc.call = ({ n, args }) => ({ n, results: args })
    expect(await channel.call('list', [1])).toEqual([1])
  })

  it('ends in order, and rejects the calls that wait', async () => {
    const { kdc, time, realm } = await prepare()
    const channel = await openKdcChannel(realm)
    kdc.call = () => ({ n: 9_999, results: [] })
    await turns()
    const [open] = channels(kdc)
    channel.close()
    channel.close()
    await turns()
    expect(open?.said).toEqual(['part', 'end'])
    expect(await failureOf(channel.call('list', []))).toMatchObject({ code: 'channel_broken' })
    expect(time.timers.held).toBe(0)
    expect(await (await openKdcChannel(realm)).call('list', []).catch(cause => cause.code)).toBe(
      'channel_broken',
    )
  })

  it('gives a call up after 30 s', async () => {
    const { kdc, time, realm } = await prepare()
    const channel = await openKdcChannel(realm)
    const { openSocket } = kdc
    expect(openSocket).toBeDefined()
    await turns()
    const [open] = channels(kdc)
    Object.assign(open?.socket as object, { reply: () => {} })
    const failure = failureOf(channel.call('list', []))
    await time.elapse(30 * SECOND)
    expect(await failure).toMatchObject({ code: 'unavailable', final: false })
    const controller = new AbortController()
    const waiting = failureOf(channel.call('list', [], { signal: controller.signal }))
    controller.abort(new Error('enough'))
    expect(await waiting).toEqual(new Error('enough'))
    const last = failureOf(channel.call('list', []))
    realm.close()
    expect(await last).toMatchObject({ code: 'unavailable' })
  })

  it('passes events on in order, and reports its end once', async () => {
    const { kdc, realm } = await prepare()
    const heard: unknown[] = []
    const channel = await openKdcChannel(realm, {
      onEvent: ({ name, fields }) => heard.push([name, ...fields]),
      onEnd: ({ code }) => heard.push(code),
    })
    await turns()
    const [open] = channels(kdc)
    for (const event of [
      { name: 'entry', fields: [1, 'x'] },
      { name: 'rotate', fields: [] },
    ]) {
      for (const record of open?.records.sealMessage(encodeEvent(event)) ?? []) {
        open?.socket.reply(open.id, record)
      }
    }
    await turns()
    channel.close()
    channel.close()
    expect(heard).toEqual([['entry', 1, 'x'], ['rotate'], 'channel_broken'])
  })

  it('breaks with its connection', async () => {
    const { kdc, realm } = await prepare()
    const channel = await openKdcChannel(realm)
    kdc.call = ({ n, results = [] }: { n: number; results?: [] }) => {
      kdc.down()
      return { n, results }
    }
    expect(await failureOf(channel.call('remove', ['web']))).toMatchObject({
      code: 'channel_broken',
      final: false,
    })
  })
})

describe('what breaks a channel', () => {
  const breaks: Record<string, (open: ReturnType<typeof channels>[number], kdc: FakeKdc) => Uint8Array[]> = {
    'a record of nobody': () => [concatBytes(new Uint8Array([1, 12]), systemRandom(40))],
    'a record altered': ({ records }) => {
      const [record = new Uint8Array()] = records.sealMessage(new Uint8Array([0x90]))
      return [record.map((byte, i) => (i === 9 ? byte ^ 1 : byte))]
    },
    'a record twice': ({ records }) => {
      const [record = new Uint8Array()] = records.sealGreeting().length > 0 ? [records.sealGreeting()] : []
      return [record, record]
    },
    'a message of another type': () => [new Uint8Array([1, 9, 0x90])],
    'that the KDC says so': (_, kdc) => [kdc.error('malformed')],
    'an answer of no form': ({ records }) => records.sealMessage(new Uint8Array([0x90])),
    'an answer to a call that was not made': ({ records }) =>
      records.sealMessage(new Uint8Array([0x92, 99, 0xc0])),
    'an answer of over 1 MiB': ({ records }) => records.sealMessage(new Uint8Array(1024 * 1024 + 1)),
    'the end': ({ records }) => [records.sealEnd()],
  }

  it.each(Object.entries(breaks))('%s', async (name, make) => {
    const { kdc, realm } = await prepare()
    const channel = await openKdcChannel(realm)
    await turns()
    const [open] = channels(kdc)
    if (open === undefined) throw new Error('no channel')
    const { reply } = open.socket
    Object.assign(open.socket, { reply: () => {} })
    const failure = failureOf(channel.call('list', []))
    await turns()
    for (const record of make(open, kdc)) reply.call(open.socket, open.id, record)
    expect(await failure).toMatchObject({ code: 'channel_broken', final: false })
    if (name === 'that the KDC says so')
      expect(String(await failure)).toContain('the other side says that it is')
    expect(await failureOf(channel.call('list', []))).toMatchObject({ code: 'channel_broken' })
  })
})

describe('an opening', () => {
  const keyOf = (kdc: FakeKdc, bytes: Uint8Array) => {
    const request = decodeApRequest(TYPE.AP_OPEN, bytes)
    return { key: deriveAuthKey(openTicket(request.ticket, kdc.keyOf(KDC)).key, []), mac: request.mac }
  }
  const refuse = (kdc: FakeKdc, bytes: Uint8Array, code: WireCode, ahead = 0) => {
    const { key, mac } = keyOf(kdc, bytes)
    const time = kdc.now() + ahead
    const floor = code === 'clock_skew' ? time - 60_001 : null
    return { reply: createAuthenticatedError(key, mac, { code, time, floor, message: '' }) }
  }
  const opens = (kdc: FakeKdc) => kdc.log.filter(line => line === 'OPEN').length

  it.each([-20 * SECOND, 90 * SECOND])('is stamped again after a proved clock_skew of %d ms', async ahead => {
    const { kdc, realm } = await prepare()
    const { accept } = kdc
    kdc.accept = bytes => (opens(kdc) === 1 ? refuse(kdc, bytes, 'clock_skew', ahead) : accept(bytes))
    const channel = await openKdcChannel(realm)
    expect(await channel.call('list', [1])).toEqual([1])
    const stamps = kdc.asked
      .filter(({ exchange }) => exchange === 'OPEN')
      .map(({ bytes }) => decodeApRequest(TYPE.AP_OPEN, bytes).time)
    expect(stamps).toEqual([kdc.now(), kdc.now() + ahead])
  })

  it.each(['ticket_expired', 'revoked'] as const)('gets a fresh ticket after 06 %s', async code => {
    const { kdc, realm } = await prepare()
    const { accept } = kdc
    kdc.accept = bytes => (opens(kdc) === 1 ? refuse(kdc, bytes, code) : accept(bytes))
    await openKdcChannel(realm)
    expect(kdc.log).toEqual(['AS kdc', 'OPEN', 'TGS kdc', 'OPEN'])
  })

  it('gets a fresh ticket after 05 ticket_invalid, once', async () => {
    const { kdc, realm } = await prepare()
    kdc.accept = () => ({ reply: kdc.error('ticket_invalid') })
    const cause = await failureOf(openKdcChannel(realm))
    expect(cause).toMatchObject({ code: 'refused_unproved', facts: { claimed: 'ticket_invalid' } })
    expect(kdc.log).toEqual(['AS kdc', 'OPEN', 'TGS kdc', 'OPEN'])
  })

  it.each([
    ['caveat_failed', 1],
    ['rate_limited', 1],
    // Opening twice does no harm, so it is stamped again.
    ['replay', 2],
  ] as const)('is refused by 06 %s, in %d attempts', async (code, attempts) => {
    const { kdc, realm } = await prepare()
    kdc.accept = bytes => refuse(kdc, bytes, code)
    expect(await failureOf(openKdcChannel(realm))).toMatchObject({ code, final: code === 'caveat_failed' })
    expect(opens(kdc)).toBe(attempts)
  })

  const lies: Record<string, (kdc: FakeKdc, bytes: Uint8Array) => Uint8Array> = {
    'an AP-ACCEPT of another opening': (kdc, bytes) =>
      createApAccept(keyOf(kdc, bytes).key, systemRandom(32), { time: kdc.now(), nonce: systemRandom(16) }),
    'an AP-ACCEPT altered': (kdc, bytes) => {
      const { key, mac } = keyOf(kdc, bytes)
      const accept = createApAccept(key, mac, { time: kdc.now(), nonce: systemRandom(16) })
      return accept.map((byte, i) => (i === 20 ? byte ^ 1 : byte))
    },
    'the AP-OPEN sent back': (_, bytes) => bytes,
    'a record before anything': () => concatBytes(new Uint8Array([1, 12]), systemRandom(40)),
    'an error that somebody else proved': (kdc, bytes) =>
      createAuthenticatedError(keyOf(kdc, bytes).key, systemRandom(32), {
        code: 'revoked',
        time: kdc.now(),
        floor: null,
        message: '',
      }),
  }

  it.each(Object.entries(lies))('is not answered by %s', async (_, lie) => {
    const { kdc, time, realm } = await prepare()
    kdc.accept = bytes => ({ reply: lie(kdc, bytes) })
    const cause = await failureOf(openKdcChannel(realm))
    expect(['response_unproved', 'malformed', 'auth_failed']).toContain((cause as { code: string }).code)
    expect(cause).toMatchObject({ final: false })
    expect(opens(kdc)).toBe(1)
    expect(time.timers.held).toBe(0)
  })

  it('ends when its signal is aborted, and when the realm is closed', async () => {
    const { kdc, time, realm } = await prepare()
    await realm.getServiceTicket('kdc')
    const [socket] = kdc.sockets
    Object.assign(socket as object, { reply: () => {} })
    const controller = new AbortController()
    const aborted = failureOf(openKdcChannel(realm, { signal: controller.signal }))
    await turns()
    controller.abort(new Error('enough'))
    expect(await aborted).toEqual(new Error('enough'))
    const closed = failureOf(openKdcChannel(realm))
    await turns()
    realm.close()
    expect(await closed).toMatchObject({ code: 'unavailable' })
    await turns()
    expect(time.timers.all).toBe(0)
  })
})

import { describe, expect, it } from 'vitest'
import type { AcceptedChannel } from '../../../shared/channel/accepted-channel.js'
import { type OpenedChannel, type OpeningOptions, openChannel } from '../../../shared/channel/opening.js'
import { channelBinding, type RecordChannel, startChannel } from '../../../shared/channel/records.js'
import { WaitingChannels } from '../../../shared/channel/waiting-channels.js'
import { CHANNELS_WAITING, TYPE } from '../../../shared/constants.js'
import { deriveAuthKey } from '../../../shared/crypto/derive.js'
import { LongTermKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { openUnauthenticatedError } from '../../../shared/encoding/error.js'
import { createApRequest, openApAccept } from '../../../shared/exchange/ap.js'
import { parsePrincipal } from '../../../shared/principal.js'
import { encodeCaveat } from '../../../shared/ticket/caveats.js'
import { openTicket, sealTicket } from '../../../shared/ticket/ticket.js'
import { HOUR, SECOND } from '../../../shared/time.js'
import { TestClock } from '../../support/clock.js'
import { ticketContent } from '../../support/ticket-content.js'
import { turns } from '../../support/turns.js'

/** A service that is no KDC, with a target, and a client of it; the network between them is two lists. */

const LIVE = parsePrincipal('live@demo.example')
const WEB = parsePrincipal('web@demo.example')

function scene(options: Partial<OpeningOptions> = {}) {
  const clock = new TestClock()
  const serviceKey = new LongTermKey(systemRandom(32))
  const now = clock.now()
  const content = ticketContent(now, now + HOUR)
  const { key } = content
  const ticket = sealTicket(LIVE, 1, serviceKey, content, systemRandom)
  const heard: string[] = []
  const fate: string[] = []
  const service: OpeningOptions = {
    ...{ service: LIVE, target: '/live', checkers: new Map(), clock, timers: clock, random: systemRandom },
    waiting: new WaitingChannels(() => clock.now()),
    tickets: { open: sealed => openTicket(sealed, serviceKey) },
    maxMessage: () => 100,
    serve: () => ({
      receive: async message => void heard.push(new TextDecoder().decode(message)),
      broken: cause => void fate.push(`broken: ${cause instanceof Error ? cause.message : cause}`),
      ended: () => void fate.push('ended'),
    }),
    ...options,
  }
  const opening = (caveats: Uint8Array[] = [], target = '/live') => {
    const authKey = deriveAuthKey(key, caveats)
    const [time, nonce, binding] = [clock.now(), systemRandom(16), channelBinding(target)]
    const question = { ticket, caveats, time, nonce, binding, delegated: null }
    return { authKey, request: createApRequest(TYPE.AP_OPEN, authKey, question) }
  }
  return { clock, service, heard, fate, opening }
}

interface Pair extends OpenedChannel {
  readonly records: RecordChannel
  readonly sent: Uint8Array[]
}

async function opened(
  { service, fate, opening }: ReturnType<typeof scene>,
  caveats: Uint8Array[] = [],
): Promise<Pair> {
  const { request, authKey } = opening(caveats)
  const sent: Uint8Array[] = []
  const carrier = {
    send: async (message: Uint8Array) => void sent.push(message),
    ended: () => void fate.push('id free'),
  }
  const pair = await openChannel(request.bytes, carrier, service)
  openApAccept(authKey, request.mac, pair.reply)
  return { ...pair, sent, records: startChannel('client', authKey, request.bytes, pair.reply, 1000) }
}

const text = (message: string): Uint8Array => new TextEncoder().encode(message)

async function say({ channel, records }: Pair, message: string): Promise<void> {
  for (const record of records.sealMessage(text(message))) await channel.receive(record)
}

const nowhere = { send: async () => {}, ended: () => {} }

describe('a channel of any service', () => {
  it('is bound to its target, carries messages both ways, and ends when its client does', async () => {
    const realm = scene()
    const pair = await opened(realm)
    await say(pair, 'hello')
    await pair.channel.send(text('you'))
    expect(realm.heard).toEqual(['hello'])
    expect(pair.records.open(pair.sent[0] ?? text(''))).toEqual({ kind: 'message', message: text('you') })
    await pair.channel.receive(pair.records.sealEnd())
    expect(pair.records.open(pair.sent[1] ?? text(''))).toEqual({ kind: 'end' })
    expect(realm.fate).toEqual(['ended', 'id free'])
    expect(pair.channel.isOver).toBe(true)
    await pair.channel.send(text('more'))
    expect(pair.sent).toHaveLength(2)
    const { request } = realm.opening([], '/other')
    await expect(openChannel(request.bytes, nowhere, realm.service)).rejects.toMatchObject({
      code: 'binding_mismatch',
    })
  })

  it('lets path caveats see the target', async () => {
    const realm = scene()
    const caveat = (prefix: string) => encodeCaveat({ name: 'paths', prefixes: [prefix] })
    await opened(realm, [caveat('/live')])
    await expect(opened(realm, [caveat('/dead')])).rejects.toMatchObject({ code: 'caveat_failed' })
  })

  it('ends 5 s after it was accepted if no record comes', async () => {
    const realm = scene()
    const pair = await opened(realm)
    realm.clock.advance(5 * SECOND - 1)
    expect(pair.channel.isOver).toBe(false)
    realm.clock.advance(1)
    expect(pair.sent.map(message => openUnauthenticatedError(message).code)).toEqual(['malformed'])
    expect(realm.fate).toEqual([expect.stringContaining('no record came'), 'ended', 'id free'])
    expect(realm.service.waiting.size).toBe(0)
  })

  it('has 16 places for openings of a ticket, or of whatever else its service counts', async () => {
    const realm = scene()
    const waiting: Pair[] = []
    for (let i = 0; i < CHANNELS_WAITING; i++) waiting.push(await opened(realm))
    await expect(opened(realm)).rejects.toMatchObject({ code: 'rate_limited' })
    expect(realm.service.waiting.size).toBe(CHANNELS_WAITING)
    const [first] = waiting
    await first?.channel.receive(first.records.sealGreeting())
    await opened(realm)
    let other = 0
    const counting = { ...realm, service: { ...realm.service, countedTo: () => `other ${other++}` } }
    for (let i = 0; i < CHANNELS_WAITING; i++) await opened(counting)
  })

  it('stops waiting if its service refuses it', async () => {
    const refusal = new Error('no')
    const realm = scene({ check: () => Promise.reject(refusal) })
    for (let i = 0; i <= CHANNELS_WAITING; i++) await expect(opened(realm)).rejects.toBe(refusal)
    expect(realm.service.waiting.size).toBe(0)
  })

  it('ends at the earliest end of its tickets and caveats', async () => {
    const realm = scene()
    const pair = await opened(realm, [encodeCaveat({ name: 'expires', time: realm.clock.now() + 9_000 })])
    await pair.channel.receive(pair.records.sealGreeting())
    realm.clock.advance(8_999)
    expect(pair.channel.isOver).toBe(false)
    realm.clock.advance(1)
    expect(pair.records.open(pair.sent[0] ?? text(''))).toEqual({ kind: 'end' })
    expect(pair.channel.isOver).toBe(true)
  })

  it('breaks if its service rejects a message, and handles none that still waits', async () => {
    let release: () => void = () => {}
    const gate = new Promise<void>((_, reject) => {
      release = () => reject(new Error('boom'))
    })
    const received: string[] = []
    const fate: unknown[] = []
    const realm = scene({
      serve: () => ({
        receive: message => {
          received.push(new TextDecoder().decode(message))
          return gate
        },
        broken: cause => void fate.push(cause),
        ended: () => void fate.push('ended'),
      }),
    })
    const pair = await opened(realm)
    const said = Promise.all([say(pair, 'one'), say(pair, 'two')])
    await turns()
    expect(received).toEqual(['one'])
    release()
    await said
    expect(received).toEqual(['one'])
    expect(fate).toEqual([new Error('boom'), 'ended'])
  })

  it('breaks at a message over the limit that its service sets for this client', async () => {
    const limits: string[] = []
    const realm = scene({
      maxMessage: ({ client }) => {
        limits.push(client)
        return 4
      },
    })
    const pair = await opened(realm)
    await say(pair, 'four')
    await say(pair, 'fiver')
    expect(realm.heard).toEqual(['four'])
    expect(limits).toEqual([WEB])
    expect((pair.channel as AcceptedChannel).isOver).toBe(true)
  })

  it('leaves no timer behind', async () => {
    const realm = scene()
    for (let i = 0; i < 40; i++) {
      const pair = await opened(realm)
      if (i % 2 === 0) await pair.channel.receive(pair.records.sealGreeting())
      pair.channel.close()
    }
    expect(realm.clock.timers.all).toBe(0)
  })
})

import { expect, it } from 'vitest'
import {
  type ChannelStreamEvents,
  PresentedChannel,
} from '../../../client/service-channel/presented-channel.js'
import { channelBinding, startChannel } from '../../../shared/channel/records.js'
import { TYPE } from '../../../shared/constants.js'
import { AuthKey, LongTermKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { createError } from '../../../shared/encoding/error.js'
import { createApAccept, createApRequest } from '../../../shared/exchange/ap.js'
import { parsePrincipal } from '../../../shared/principal.js'
import { decodeTicket, sealTicket } from '../../../shared/ticket/ticket.js'
import { createTestClock } from '../../../testing/index.js'
import { ticketContent } from '../../support/ticket-content.js'

const SERVICE = parsePrincipal('orders@demo.example')
const key = new AuthKey(systemRandom(32))

function opening() {
  const ticket = sealTicket(
    SERVICE,
    1,
    new LongTermKey(systemRandom(32)),
    ticketContent(0, 10_000),
    systemRandom,
  )
  return createApRequest(TYPE.AP_OPEN, key, {
    ticket: decodeTicket(ticket.bytes),
    caveats: [],
    time: 1_000,
    nonce: systemRandom(16),
    binding: channelBinding(''),
    delegated: null,
  })
}

/** A channel that is being opened, and what the service may send to it. */
function begin() {
  const clock = createTestClock()
  const received: Uint8Array[] = []
  const ended: string[] = []
  let events: ChannelStreamEvents | undefined
  const channel = new PresentedChannel({
    openStream: async given => {
      events = given
      return { send: () => {}, end: () => {} }
    },
    peer: () => 'orders',
    clock,
    timers: clock,
    timeout: 1_000,
    maxMessage: 1_000,
    explaining: look => look(),
    user: { receive: message => void received.push(message), ended: cause => void ended.push(cause.code) },
  })
  const request = opening()
  const presented = { service: SERVICE, own: undefined, binding: request.binding, headers: [], key, request }
  const opened = channel.open(presented)
  const accept = createApAccept(key, request.mac, { time: 1_000, nonce: systemRandom(16) })
  const service = startChannel('service', key, request.bytes, accept, 1_000)
  const send = (message: Uint8Array): void => void events?.received(message)
  return { opened, accept, service, send, received, ended }
}

/** Both come in one turn of the event loop, as two frames in one packet do. */
it('takes what comes right behind the answer to its opening', async () => {
  const { opened, accept, service, send, received } = begin()
  await Promise.resolve()
  send(accept)
  for (const record of service.sealMessage(new Uint8Array([1, 2, 3]))) send(record)
  expect(await opened).toBeUndefined()
  expect(received.map(message => [...message])).toEqual([[1, 2, 3]])
})

it('ends when the service gives up the channel right behind the answer to its opening', async () => {
  const { opened, accept, send, ended } = begin()
  await Promise.resolve()
  send(accept)
  send(createError({ code: 'malformed', time: 1_000, floor: null, message: '' }))
  await opened
  expect(ended).toEqual(['channel_broken'])
})

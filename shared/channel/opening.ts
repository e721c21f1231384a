import {
  type AcceptedRequest,
  acceptRequest,
  type ExplainMismatch,
  type RevocationCheck,
  refuse,
  requireBinding,
  type VerifiedRequest,
} from '../accept/accept.js'
import type { TicketOpener } from '../accept/presented-ticket.js'
import { toHex } from '../bytes.js'
import { SIZE, TYPE } from '../constants.js'
import type { RandomSource } from '../crypto/random.js'
import { createApAccept } from '../exchange/ap.js'
import type { Principal } from '../principal.js'
import { type CaveatChecker, earliestExpiry } from '../ticket/caveats.js'
import { type Clock, nowBy } from '../time.js'
import type { Timers } from '../timers.js'
import { AcceptedChannel, type ChannelApplication, type ChannelCarrier } from './accepted-channel.js'
import { channelBinding, startChannel } from './records.js'
import type { WaitingChannel, WaitingChannels } from './waiting-channels.js'

/**
 * How a service opens a channel: AP-OPEN in, AP-ACCEPT and a channel out (docs/protocol.md section 9). This is the same
 * for the KDC and any other service, and for every transport.
 */
export interface OpeningOptions {
  readonly service: Principal
  /** The target of the WebSocket's upgrade; '' over TCP and for `kdc@realm`. */
  readonly target: string
  readonly tickets: TicketOpener
  readonly checkers: ReadonlyMap<string, CaveatChecker>
  readonly revocation?: RevocationCheck | undefined
  readonly waiting: WaitingChannels
  readonly clock: Clock
  readonly timers: Timers
  readonly random: RandomSource
  /** What the channel is counted against until its first record arrives. Default: the presenter's ticket. */
  countedTo?(accepted: AcceptedRequest): string
  /** What the service requires in addition to steps 1 to 8. @throws Refusal */
  check?(accepted: AcceptedRequest): Promise<void>
  /** What the service's log says of an opening that is bound to another target. */
  readonly explainMismatch?: ExplainMismatch
  /** Step 10. @throws Refusal */
  authorise?(verified: VerifiedRequest): void
  /**
   * The largest message accepted from this client, bytes. A message is assembled before it is decoded, so anybody with
   * a ticket can make the service hold this much.
   */
  maxMessage(verified: VerifiedRequest): number
  serve(channel: AcceptedChannel): ChannelApplication
}

/** An accepted opening: the AP-ACCEPT to send, and the channel that it begins. */
export interface OpenedChannel {
  readonly reply: Uint8Array
  readonly channel: AcceptedChannel
}

/** @throws Refusal, which contains the ERROR to send */
export async function openChannel(
  apOpen: Uint8Array,
  carrier: ChannelCarrier,
  options: OpeningOptions,
): Promise<OpenedChannel> {
  const waiting = options.waiting.begin()
  try {
    return start(await verifyOpening(apOpen, waiting, options), waiting, carrier, options)
  } catch (cause) {
    waiting.release()
    throw cause
  }
}

/** Steps 1 to 9. @throws Refusal */
async function verifyOpening(
  apOpen: Uint8Array,
  waiting: WaitingChannel,
  options: OpeningOptions,
): Promise<VerifiedRequest> {
  const accepted = await acceptRequest(apOpen, {
    ...options,
    type: TYPE.AP_OPEN,
    replayCache: waiting,
    method: undefined,
  })
  if (!waiting.takePlace(options.countedTo?.(accepted) ?? ticketOf(accepted))) {
    throw refuse(accepted, 'rate_limited', 'too many channels of the ticket wait for their first record')
  }
  await options.check?.(accepted)
  const verified = requireBinding(accepted, channelBinding(options.target), options.explainMismatch)
  options.authorise?.(verified)
  return verified
}

/** Identifies the presenter's own ticket, which comes first. */
export function ticketOf({ tickets }: AcceptedRequest): string {
  return tickets.map(({ ticketId }) => toHex(ticketId))[0] ?? ''
}

function start(
  verified: VerifiedRequest,
  waiting: WaitingChannel,
  carrier: ChannelCarrier,
  options: OpeningOptions,
): OpenedChannel {
  const { clock, timers, random, revocation } = options
  const { request, key, now } = verified
  const reply = createApAccept(key, request.mac, { time: now, nonce: random(SIZE.NONCE) })
  const records = startChannel('service', key, request.bytes, reply, options.maxMessage(verified))
  const endTime = endOf(verified)
  const endClock = (): number => revocation?.endClock(nowBy(clock)) ?? clock.now()
  const serve = (channel: AcceptedChannel): ChannelApplication => options.serve(channel)
  const parts = { verified, records, waiting, endTime, endClock, carrier, clock, timers, serve }
  return { reply, channel: new AcceptedChannel(parts) }
}

/** The earliest end of all its tickets and caveats, milliseconds. */
export function endOf({ tickets, caveats }: AcceptedRequest): number {
  return Math.min(earliestExpiry(caveats), ...tickets.map(({ endTime }) => endTime))
}

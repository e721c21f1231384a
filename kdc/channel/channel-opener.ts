import {
  type AcceptedRequest,
  acceptRequest,
  refuse,
  requireBinding,
  type VerifiedRequest,
} from '../../shared/accept/accept.js'
import type { TicketOpener } from '../../shared/accept/presented-ticket.js'
import { Refusal } from '../../shared/accept/refusal.js'
import { channelBinding, startChannel } from '../../shared/channel/records.js'
import { SIZE, TYPE } from '../../shared/constants.js'
import { isWireCode, OrthrusError, type WireCode } from '../../shared/errors.js'
import { createApAccept } from '../../shared/exchange/ap.js'
import { kdcService, type Principal } from '../../shared/principal.js'
import { earliestExpiry } from '../../shared/ticket/caveats.js'
import { openTicket, ticketInvalid } from '../../shared/ticket/ticket.js'
import { isAdministrator } from '../admin/role.js'
import { answerUnproved, reportFailure } from '../exchange/answer.js'
import { CHANNEL_MESSAGE_BYTES, PUBLIC_MESSAGE_BYTES } from '../limits/defaults.js'
import type { ExchangeContext, Incoming } from '../realm/context.js'
import { requireStanding } from './authority.js'
import { AdminChannel, type ChannelCarrier } from './channel.js'
import { type Opening, WaitingChannels } from './waiting-channels.js'

/** What an AP-OPEN comes to: an answer, and a channel unless it was refused. */
export interface Opened {
  readonly reply: Uint8Array
  readonly channel?: AdminChannel
}

/** There is no target at the KDC. */
const BINDING = channelBinding('')

/** The service `kdc@realm`: AP-OPEN to AP-ACCEPT, its checks those of a service (docs/protocol.md sections 8 and 9). */
export class ChannelOpener {
  readonly #context: ExchangeContext
  readonly #service: Principal
  readonly #waiting: WaitingChannels

  constructor(context: ExchangeContext) {
    this.#context = context
    this.#service = kdcService(context.realm.record.realm)
    this.#waiting = new WaitingChannels(() => context.realm.time.now())
  }

  /** Never rejects. @param carrier takes the channel's records. */
  async open({ bytes, address, now }: Incoming, carrier: ChannelCarrier): Promise<Opened> {
    const opening = this.#waiting.begin()
    try {
      const verified = await this.#accept(bytes, opening)
      return this.#start(verified, opening, carrier, address)
    } catch (cause) {
      opening.release()
      return { reply: this.#refusal(cause, address, now) }
    }
  }

  /** Steps 1 to 9. @throws Refusal */
  async #accept(bytes: Uint8Array, opening: Opening): Promise<VerifiedRequest> {
    const accepted = await acceptRequest(bytes, {
      type: TYPE.AP_OPEN,
      service: this.#service,
      tickets: await this.#tickets(),
      replayCache: opening,
      clock: this.#context.realm.time,
      method: undefined,
      target: '',
      checkers: new Map(),
    })
    const [own] = accepted.tickets
    if (own === undefined || !opening.takeRoom(own.ticketId)) {
      throw refuse(accepted, 'rate_limited', 'too many channels of the ticket wait for their first record')
    }
    await this.#requireStanding(accepted)
    await this.#requireShare(accepted)
    return requireBinding(accepted, BINDING)
  }

  /** Opening counts as a request of who presents it. @throws Refusal */
  async #requireShare(accepted: AcceptedRequest): Promise<void> {
    try {
      await this.#context.rates.requireClient(accepted.via ?? accepted.client)
    } catch (cause) {
      throw cause instanceof OrthrusError ? refuse(accepted, wireCodeOf(cause), cause.reason) : cause
    }
  }

  /** Step 8, by the KDC's own records. @throws Refusal */
  async #requireStanding(accepted: AcceptedRequest): Promise<void> {
    try {
      await requireStanding(this.#context.realm, accepted, endOf(accepted), accepted.now)
    } catch (cause) {
      throw cause instanceof OrthrusError ? refuse(accepted, wireCodeOf(cause), cause.reason) : cause
    }
  }

  async #tickets(): Promise<TicketOpener> {
    const record = await this.#context.realm.directory.principal(this.#service)
    return {
      open: ticket => {
        const stored = record?.keys.find(({ kvno }) => kvno === ticket.kvno)
        if (ticket.service !== this.#service || stored === undefined) {
          throw ticketInvalid(ticket, `it is for no key of ${this.#service}`)
        }
        return openTicket(ticket, stored.key)
      },
    }
  }

  #start(verified: VerifiedRequest, opening: Opening, carrier: ChannelCarrier, address: string): Opened {
    const { request, key, now, client, via } = verified
    const nonce = this.#context.random(SIZE.NONCE)
    const reply = createApAccept(key, request.mac, { time: now, nonce })
    // What is put together before it is understood is memory that anybody with a ticket can take.
    const most = isAdministrator(verified.claims) ? CHANNEL_MESSAGE_BYTES : PUBLIC_MESSAGE_BYTES
    const records = startChannel('service', key, request.bytes, reply, most)
    const endTime = endOf(verified)
    const channel = new AdminChannel({ context: this.#context, verified, records, opening, endTime, carrier })
    const by = via === undefined ? [client] : [client, via]
    this.#context.report.tell({
      kind: 'channel_opened',
      origin: { exchange: 'AP-OPEN', address, by },
      endTime,
    })
    return { reply, channel }
  }

  #refusal(cause: unknown, address: string, now: number): Uint8Array {
    const { report } = this.#context
    const origin = { exchange: 'AP-OPEN', address } as const
    if (!(cause instanceof Refusal)) return answerUnproved(cause, now, report, origin)
    reportFailure(cause, report, { ...origin, client: cause.presenter })
    return cause.reply
  }
}

/** The least end of all its tickets and caveats (section 9), milliseconds. */
function endOf({ tickets, caveats }: AcceptedRequest): number {
  return Math.min(earliestExpiry(caveats), ...tickets.map(({ endTime }) => endTime))
}

function wireCodeOf({ code }: OrthrusError): WireCode {
  return isWireCode(code) ? code : 'unavailable'
}

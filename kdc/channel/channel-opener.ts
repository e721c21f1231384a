import { type AcceptedRequest, refuse } from '../../shared/accept/accept.js'
import type { TicketOpener } from '../../shared/accept/presented-ticket.js'
import { Refusal } from '../../shared/accept/refusal.js'
import type { AcceptedChannel, ChannelCarrier } from '../../shared/channel/accepted-channel.js'
import { endOf, type OpeningOptions, openChannel, ticketOf } from '../../shared/channel/opening.js'
import { WaitingChannels } from '../../shared/channel/waiting-channels.js'
import { TYPE } from '../../shared/constants.js'
import { refusalIdOf } from '../../shared/encoding/refusal-id.js'
import { OrthrusError, wireCodeOf } from '../../shared/errors.js'
import { decodeApRequest } from '../../shared/exchange/ap.js'
import { kdcService, type Principal } from '../../shared/principal.js'
import { openTicket, ticketInvalid } from '../../shared/ticket/ticket.js'
import { largestCallOf } from '../admin/methods.js'
import { actorsOf } from '../admin/role.js'
import { answerUnproved, isOneTooMany, reportFailure } from '../exchange/answer.js'
import { type Handling, handlingOf } from '../exchange/repeats.js'
import type { ProvedRequest } from '../limits/rate-limits.js'
import type { ExchangeContext, Incoming } from '../realm/context.js'
import { openingKey } from '../realm/principal-keys.js'
import { requireStanding } from './authority.js'
import { KdcChannel } from './channel.js'
import { OpenChannels } from './open-channels.js'

/** What an AP-OPEN comes to: an answer, and a channel unless it was refused. */
export interface Opened {
  readonly reply: Uint8Array
  readonly channel?: AcceptedChannel
}

/** The service `kdc@realm`, by the channels that any service has (docs/protocol.md section 9). */
export class ChannelOpener {
  readonly #context: ExchangeContext
  readonly #service: Principal
  readonly #options: Omit<OpeningOptions, 'tickets' | 'serve'>
  readonly #channels: OpenChannels

  constructor(context: ExchangeContext) {
    const { realm, timers, random } = context
    this.#context = context
    this.#service = kdcService(realm.record.realm)
    this.#channels = new OpenChannels(realm.directory, realm.revocations)
    this.#options = {
      service: this.#service,
      target: '',
      checkers: new Map(),
      waiting: new WaitingChannels(() => realm.time.now()),
      clock: realm.time,
      timers,
      random,
      maxMessage: largestCallOf,
    }
  }

  /** How many channels are open. */
  get openChannels(): number {
    return this.#channels.size
  }

  /** Never rejects. @param carrier takes the channel's records */
  async open({ bytes, address, now, proved }: Incoming, carrier: ChannelCarrier): Promise<Opened> {
    const origin = { exchange: 'AP-OPEN', address } as const
    let handling: Handling<ExchangeContext> | undefined
    const handle = (client: Principal, request: ProvedRequest): Handling<ExchangeContext> => {
      handling ??= handlingOf(this.#context, client, request, now, { ...origin, client })
      return handling
    }
    try {
      const opened = await openChannel(bytes, carrier, {
        ...this.#options,
        tickets: await this.#tickets(bytes, now),
        // A repeat takes one of the places that its address has, and none of the ticket's.
        countedTo: accepted =>
          handle(presenterOf(accepted), accepted.request).seen === 'new'
            ? ticketOf(accepted)
            : `address ${address}`,
        serve: channel => new KdcChannel(this.#context, channel, { address, channels: this.#channels }),
        check: accepted => this.#check(accepted, handling?.seen === 'new' ? undefined : address),
      })
      if (handling?.seen === 'new') proved?.(presenterOf(opened.channel.verified))
      this.#tell(opened.channel, address, handling?.context ?? this.#context)
      return opened
    } catch (cause) {
      if (!(cause instanceof Refusal)) {
        return { reply: answerUnproved(cause, now, this.#context.report, origin, bytes) }
      }
      const { presenter, reply } = cause
      const { context, origin: known } =
        presenter === undefined
          ? { context: this.#context, origin }
          : handle(presenter, decodeApRequest(TYPE.AP_OPEN, bytes))
      reportFailure(cause, context.report, known, refusalIdOf(bytes))
      return { reply }
    }
  }

  /**
   * Step 8 by the KDC's own records; and an opening counts as a request of its presenter.
   * @param repeatedFrom where a repeated opening comes from, which then counts in place of its presenter
   * @throws Refusal
   */
  async #check(accepted: AcceptedRequest, repeatedFrom: string | undefined): Promise<void> {
    const { realm, rates } = this.#context
    try {
      await requireStanding(realm, accepted, endOf(accepted), accepted.now)
      if (repeatedFrom === undefined) rates.requireClient(presenterOf(accepted))
      else rates.requireRepeat(repeatedFrom)
    } catch (cause) {
      if (isOneTooMany(cause)) await rates.turnOfRefused(repeatedFrom ?? presenterOf(accepted))
      throw cause instanceof OrthrusError ? refuse(accepted, wireCodeOf(cause), cause.reason) : cause
    }
  }

  async #tickets(bytes: Uint8Array, now: number): Promise<TicketOpener> {
    const { directory, lookAgain } = this.#context.realm
    let record = await directory.principal(this.#service)
    if (lookAgain !== undefined && kvnoOf(bytes) > (record?.lastKvno ?? 0)) {
      await lookAgain.look(this.#service)
      record = await directory.principal(this.#service)
    }
    return {
      open: ticket => {
        const stored = record && openingKey(record, ticket.kvno, now)
        if (ticket.service !== this.#service || stored === undefined) {
          throw ticketInvalid(ticket, `it is for no key of ${this.#service}`)
        }
        return openTicket(ticket, stored.key)
      },
    }
  }

  #tell({ verified, endTime }: AcceptedChannel, address: string, { report }: ExchangeContext): void {
    const { ticketId } = verified.ticket
    const origin = { exchange: 'AP-OPEN', address, by: actorsOf(verified), ticketId } as const
    report.tell({ kind: 'channel_opened', origin, endTime })
  }
}

/** The highest kvno of the tickets of an AP-OPEN; 0 if it is none. */
function kvnoOf(bytes: Uint8Array): number {
  try {
    const { ticket, delegated } = decodeApRequest(TYPE.AP_OPEN, bytes)
    return Math.max(ticket.kvno, delegated?.ticket.kvno ?? 0)
  } catch {
    return 0
  }
}

function presenterOf({ via, client }: AcceptedRequest): Principal {
  return via ?? client
}

import { diagnosticsChannel } from '#diagnostics'
import { toHex } from '../../shared/bytes.js'
import { TYPE, VERSION } from '../../shared/constants.js'
import { codeOfAnswer } from '../../shared/encoding/error.js'
import type { Principal } from '../../shared/principal.js'
import { KDC_EXCHANGES, type KdcExchangeEvent } from '../../shared/telemetry/kdc-exchange.js'
import type { ExchangeContext, Incoming } from '../realm/context.js'
import type { KdcEvent } from '../report/events.js'
import type { Report } from '../report/report.js'

/** Tells whoever subscribed what each AS and TGS exchange came to. If nobody did, it costs a question. */

const channel = diagnosticsChannel(KDC_EXCHANGES)

/** Which exchange this is, if anybody hears of it. */
export function heardExchange(bytes: Uint8Array): KdcExchangeEvent['exchange'] | undefined {
  if (!channel.hasSubscribers || bytes[0] !== VERSION) return undefined
  const [, type] = bytes
  return type === TYPE.AS_REQ ? 'AS' : type === TYPE.TGS_REQ ? 'TGS' : undefined
}

/** @param answer never rejects */
export async function tellingExchange<Context extends ExchangeContext>(
  exchange: KdcExchangeEvent['exchange'],
  context: Context,
  { address: from, now: start }: Incoming,
  answer: (context: Context) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const { time, record } = context.realm
  const since = time.monotonic()
  const witness = new Witness(context.report)
  const reply = await answer({ ...context, report: witness })
  const duration = time.monotonic() - since
  const { realm } = record
  const code = codeOfAnswer(reply) ?? 'ok'
  publish({ kind: 'exchange', realm, exchange, from, ...witness.told(), code, start, duration })
  return reply
}

/** What a subscriber throws is Node's to handle, and the answer is made in any case. */
function publish(event: KdcExchangeEvent): void {
  channel.publish(Object.freeze(event))
}

/** Passes on what one exchange reports, and remembers what it came to. */
class Witness implements Report {
  readonly #report: Report
  /** A decision that is made again grants the same services again. */
  readonly #tickets = new Map<Principal, string>()
  readonly #denied = new Map<Principal, KdcExchangeEvent['denied'][number]>()
  #client: Principal | undefined
  #reason: string | undefined
  #refusal: string | undefined

  constructor(report: Report) {
    this.#report = report
  }

  tell(event: KdcEvent): void {
    this.#note(event)
    this.#report.tell(event)
  }

  record(event: KdcEvent): Promise<void> {
    return this.#report.record(event)
  }

  told(): Pick<KdcExchangeEvent, 'client' | 'tickets' | 'denied' | 'reason' | 'refusal'> {
    const client = this.#client
    return {
      client,
      tickets: [...this.#tickets].map(([service, ticketId]) => ({ service, ticketId })),
      denied: [...this.#denied.values()],
      // Some reasons have the name that was claimed.
      reason: client === undefined ? undefined : this.#reason,
      refusal: this.#refusal,
    }
  }

  #note(event: KdcEvent): void {
    switch (event.kind) {
      case 'ticket_granted':
        this.#client = event.client
        this.#tickets.set(event.service, toHex(event.ticketId))
        return
      case 'ticket_denied':
        this.#client = event.client
        this.#refusal = event.id
        this.#denied.set(event.service, { service: event.service, code: event.code })
        return
      case 'request_repeated':
        this.#client = event.origin.client
        return
      case 'request_refused':
      case 'request_failed':
        this.#client = event.origin.client
        this.#reason = event.reason
        this.#refusal = event.id ?? undefined
        return
      default:
    }
  }
}

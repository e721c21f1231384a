import type { VerifiedRequest } from '../../shared/accept/accept.js'
import { decodeCall, encodeAnswer, type KdcAnswer, type KdcCall } from '../../shared/channel/calls.js'
import type { RecordChannel } from '../../shared/channel/records.js'
import { WINDOW } from '../../shared/constants.js'
import { createError } from '../../shared/encoding/error.js'
import { OrthrusError } from '../../shared/errors.js'
import { type Cancel, inBackground, runAfter } from '../../shared/timers.js'
import type { AdminContext } from '../admin/context.js'
import { callMethod } from '../admin/methods.js'
import { requireAdministrator } from '../admin/role.js'
import { reportFailure } from '../exchange/answer.js'
import type { ExchangeContext } from '../realm/context.js'
import type { OpenRealm } from '../realm/realm.js'
import type { Origin } from '../report/events.js'
import { describeFailure } from '../report/failure.js'
import { requireStanding } from './authority.js'
import type { Opening } from './waiting-channels.js'

/** What carries a channel's records to its client. */
export interface ChannelCarrier {
  /** Resolves when the message is with the operating system, or never will be. */
  send(message: Uint8Array): Promise<void>
  /** The channel is over, and its id free. */
  ended(): void
}

export interface AdminChannelOptions {
  readonly context: ExchangeContext
  readonly verified: VerifiedRequest
  readonly records: RecordChannel
  readonly opening: Opening
  /** KDC time, milliseconds. */
  readonly endTime: number
  readonly carrier: ChannelCarrier
}

/** One channel of `kdc@realm` (docs/protocol.md section 9): calls in the order they came, each answered before the next. */
export class AdminChannel {
  readonly #options: AdminChannelOptions
  readonly #admin: AdminContext
  readonly #openedAt: number
  readonly #unwatch: () => void
  #cancelWait: Cancel
  #spoken = false
  #over = false
  #tail: Promise<void> = Promise.resolve()

  constructor(options: AdminChannelOptions) {
    this.#options = options
    const { context, verified } = options
    const { realm, report } = context
    const actors = verified.via === undefined ? [verified.client] : [verified.client, verified.via]
    this.#admin = { realm: { ...realm, writer: this.#guarded(realm) }, report, actors }
    this.#openedAt = realm.time.monotonic()
    const concerned = new Set<string>([verified.service, ...verified.tickets.map(({ client }) => client)])
    this.#unwatch = realm.directory.onPrincipal(name => {
      if (concerned.has(name)) void this.#endUnlessStanding()
    })
    this.#cancelWait = runAfter(context.timers, WINDOW.CHANNEL_FIRST_RECORD, () =>
      this.#break('no record came'),
    )
  }

  /** A change waits for those before it, and one of them may take from this channel what it had. */
  #guarded({ writer }: OpenRealm): OpenRealm['writer'] {
    return {
      change: plan =>
        writer.change(async now => {
          await this.#requireStanding()
          return plan(now)
        }),
    }
  }

  #requireStanding(): Promise<void> {
    const { context, verified, endTime } = this.#options
    return requireStanding(context.realm, verified, endTime, context.realm.time.now())
  }

  /** Resolves when the record has been dealt with; never rejects. */
  async receive(record: Uint8Array): Promise<void> {
    if (this.#over) return
    try {
      const event = this.#options.records.open(record)
      if (!this.#isInTime()) return this.#break('the first record came late')
      this.#hasSpoken()
      if (event?.kind === 'message') this.#tail = this.#tail.then(() => this.#answer(event.message))
      if (event?.kind === 'end') this.#tail = this.#tail.then(() => this.end())
      await this.#tail
    } catch (cause) {
      this.#break(cause)
    }
  }

  /** Says that the KDC says no more, and forgets the channel. */
  end(): void {
    if (this.#over) return
    void this.#options.carrier.send(this.#options.records.sealEnd())
    this.close()
  }

  /** Forgets the channel without a word. */
  close(): void {
    if (this.#over) return
    this.#over = true
    this.#cancelWait()
    this.#unwatch()
    this.#options.opening.release()
    this.#options.carrier.ended()
  }

  #isInTime(): boolean {
    const { time } = this.#options.context.realm
    return this.#spoken || time.monotonic() - this.#openedAt <= WINDOW.CHANNEL_FIRST_RECORD
  }

  /** The client has what makes the channel: it counts from now on. */
  #hasSpoken(): void {
    if (this.#spoken) return
    this.#spoken = true
    this.#options.opening.release()
    this.#cancelWait()
    this.#endInTime()
  }

  /** A timer may fire before the KDC's clock says that it is time. */
  #endInTime(): void {
    const { endTime, context } = this.#options
    const left = endTime - context.realm.time.now()
    if (left <= 0) {
      this.end()
    } else {
      this.#cancelWait = runAfter(inBackground(context.timers), left, () => this.#endInTime())
    }
  }

  async #endUnlessStanding(): Promise<void> {
    const { context } = this.#options
    try {
      await this.#requireStanding()
    } catch (cause) {
      if (this.#over) return
      this.end()
      reportFailure(cause, context.report, this.#origin())
    }
  }

  async #answer(message: Uint8Array): Promise<void> {
    if (this.#over) return
    const call = decodeCall(message)
    const standing = await this.#standing(call)
    const answer = standing ?? (await this.#run(call))
    await this.#send(answer)
    if (standing !== undefined) this.end()
  }

  /** The refusal of whoever may no longer speak. */
  async #standing(call: KdcCall): Promise<KdcAnswer | undefined> {
    try {
      await this.#requireStanding()
      return undefined
    } catch (cause) {
      return this.#failure(call, cause)
    }
  }

  async #run(call: KdcCall): Promise<KdcAnswer> {
    const { context, verified } = this.#options
    try {
      await context.rates.requireClient(verified.via ?? verified.client)
      requireAdministrator(verified)
      return { n: call.n, results: await callMethod(this.#admin, call.method, call.args) }
    } catch (cause) {
      return this.#failure(call, cause)
    }
  }

  #failure({ n, method }: KdcCall, cause: unknown): KdcAnswer {
    const origin = { ...this.#origin(), method: method.slice(0, 40) }
    return { n, code: reportFailure(cause, this.#options.context.report, origin), message: messageOf(cause) }
  }

  #origin(): Origin {
    return { exchange: 'administration', by: this.#admin.actors }
  }

  /** Waits for a client that does not read, and so does everything behind it. */
  async #send(answer: KdcAnswer): Promise<void> {
    if (this.#over) return
    const { records, carrier } = this.#options
    await Promise.all(records.sealMessage(encodeAnswer(answer)).map(record => carrier.send(record)))
  }

  /** Told in clear, as nothing more can be said inside (section 3). */
  #break(cause: unknown): void {
    if (this.#over) return
    const { context, carrier } = this.#options
    const reason = cause instanceof OrthrusError ? cause.reason : describeFailure(cause).message
    context.report.tell({ kind: 'channel_ended', origin: this.#origin(), broken: true, reason })
    const time = context.realm.time.now()
    void carrier.send(createError({ code: 'malformed', time, floor: null, message: '' }))
    this.close()
  }
}

/** What the operator reads: the reason and what to do next. */
function messageOf(cause: unknown): string {
  if (!(cause instanceof OrthrusError)) return 'the KDC could not do it; its log says why'
  const { reason, facts } = cause
  return facts.hint === undefined ? reason : `${reason}; ${facts.hint}`
}

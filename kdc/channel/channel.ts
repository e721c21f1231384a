import type { AcceptedChannel, ChannelApplication } from '../../shared/channel/accepted-channel.js'
import { decodeCall, encodeAnswer, type KdcAnswer, type KdcCall } from '../../shared/channel/calls.js'
import { OrthrusError } from '../../shared/errors.js'
import type { AdminContext } from '../admin/context.js'
import { callMethod } from '../admin/methods.js'
import { actorsOf } from '../admin/role.js'
import { reportFailure } from '../exchange/answer.js'
import type { ExchangeContext } from '../realm/context.js'
import type { Origin } from '../report/events.js'
import { describeFailure } from '../report/failure.js'
import { requireStanding } from './authority.js'

/**
 * What `kdc@realm` does with one channel (docs/protocol.md section 9): it answers calls in the order in which they
 * came, each before the next, for as long as the tickets that the channel was opened with stand.
 */
export class KdcChannel implements ChannelApplication {
  readonly #context: ExchangeContext
  readonly #channel: AcceptedChannel
  readonly #call: AdminContext
  readonly #unwatch: () => void

  constructor(context: ExchangeContext, channel: AcceptedChannel) {
    const { realm, report } = context
    const { verified } = channel
    this.#context = context
    this.#channel = channel
    const change: AdminContext['change'] = plan =>
      realm.writer.change(async now => {
        await this.#requireStanding()
        return plan(now)
      })
    this.#call = { realm, report, caller: verified, change }
    const concerned = new Set<string>([verified.service, ...verified.tickets.map(({ client }) => client)])
    this.#unwatch = realm.directory.onPrincipal(name => {
      if (concerned.has(name)) void this.#endUnlessStanding()
    })
  }

  async receive(message: Uint8Array): Promise<void> {
    const call = decodeCall(message)
    const refused = await this.#refusalOf(call)
    await this.#channel.send(encodeAnswer(refused ?? (await this.#run(call))))
    if (refused !== undefined) this.#channel.end()
  }

  broken(cause: unknown): void {
    const reason = cause instanceof OrthrusError ? cause.reason : describeFailure(cause).message
    const { report } = this.#context
    report.tell({ kind: 'channel_ended', origin: this.#origin(), broken: true, reason })
  }

  ended(): void {
    this.#unwatch()
  }

  #requireStanding(): Promise<void> {
    const { realm } = this.#context
    const { verified, endTime } = this.#channel
    return requireStanding(realm, verified, endTime, realm.time.now())
  }

  async #endUnlessStanding(): Promise<void> {
    try {
      await this.#requireStanding()
    } catch (cause) {
      if (this.#channel.isOver) return
      this.#channel.end()
      reportFailure(cause, this.#context.report, this.#origin())
    }
  }

  /** The refusal of a call whose caller may no longer speak. */
  async #refusalOf(call: KdcCall): Promise<KdcAnswer | undefined> {
    try {
      await this.#requireStanding()
      return undefined
    } catch (cause) {
      return this.#failure(call, cause)
    }
  }

  async #run(call: KdcCall): Promise<KdcAnswer> {
    const { client, via } = this.#channel.verified
    try {
      this.#context.rates.requireClient(via ?? client)
      return { n: call.n, results: await callMethod(this.#call, call.method, call.args) }
    } catch (cause) {
      return this.#failure(call, cause)
    }
  }

  #failure({ n, method }: KdcCall, cause: unknown): KdcAnswer {
    const origin = { ...this.#origin(), method: method.slice(0, 40) }
    return { n, code: reportFailure(cause, this.#context.report, origin), message: messageOf(cause) }
  }

  #origin(): Origin {
    return { exchange: 'administration', by: actorsOf(this.#channel.verified) }
  }
}

/** What the operator reads: the reason and what to do next. */
function messageOf(cause: unknown): string {
  if (!(cause instanceof OrthrusError)) return 'the KDC could not do it; its log says why'
  const { reason, facts } = cause
  return facts.hint === undefined ? reason : `${reason}; ${facts.hint}`
}

import type { InvitationMethod, OwnMethod } from '../../shared/administration/methods.js'
import type { AcceptedChannel, ChannelApplication } from '../../shared/channel/accepted-channel.js'
import {
  decodeCall,
  encodeAnswer,
  encodeEvent,
  type KdcAnswer,
  type KdcCall,
} from '../../shared/channel/calls.js'
import type { Value } from '../../shared/encoding/encoding.js'
import { isTransient, OrthrusError } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import { type FeedMethod, KDC_EVENT } from '../../shared/revocation/feed.js'
import type { AdminContext, CallingChannel } from '../admin/context.js'
import { callMethod } from '../admin/methods.js'
import { actorsOf, isAdministrator } from '../admin/role.js'
import { reportFailure } from '../exchange/answer.js'
import type { FollowingChannel } from '../feed/follower.js'
import type { ExchangeContext } from '../realm/context.js'
import type { MaybePromise } from '../realm/maybe-promise.js'
import type { Origin } from '../report/events.js'
import { describeFailure } from '../report/failure.js'
import type { Report } from '../report/report.js'
import { HeldBackup } from '../upkeep/held-backup.js'
import { requireStanding } from './authority.js'
import type { OpenChannels } from './open-channels.js'

/** What `kdc@realm` knows of a channel besides its tickets. */
export interface KdcChannelOptions {
  /** Where its connection comes from. */
  readonly address: string
  readonly channels: OpenChannels
}

/**
 * What `kdc@realm` does with one channel (docs/protocol.md section 9): it answers calls in the order in which they
 * came, each before the next, for as long as the tickets that the channel was opened with stand.
 */
export class KdcChannel implements ChannelApplication {
  readonly #context: ExchangeContext
  readonly #channel: AcceptedChannel
  readonly #call: AdminContext
  /** The same, for what owners do too. */
  readonly #sharing: AdminContext
  readonly #calling: CallingChannel
  readonly #leave: () => void
  /** Whether a change of this channel's own is being made and answered. */
  #isChanging = false
  /** Whether it is looked at once this KDC has seen all changes. */
  #isWaiting = false

  constructor(context: ExchangeContext, channel: AcceptedChannel, { address, channels }: KdcChannelOptions) {
    const { realm, report, audit, rates } = context
    const { verified } = channel
    this.#context = context
    this.#channel = channel
    const { ticketId } = verified.ticket
    this.#calling = {
      channel: this.#followingFrom(address),
      ticketId,
      follower: undefined,
      readings: new Set(),
    }
    const change: AdminContext['change'] = plan =>
      realm.writer.change(
        async now => {
          await this.#requireStanding()
          const planned = await plan(now)
          this.#isChanging = true
          return planned
        },
        ids => this.#tellPutOut(ids),
      )
    const backup = new HeldBackup()
    this.#call = { realm, report, audit, rates, caller: verified, calling: this.#calling, backup, change }
    this.#sharing = { ...this.#call, report: shareOfOwner(context, verified) }
    this.#leave = channels.add({
      service: verified.service,
      tickets: verified.tickets,
      endUnlessStanding: () => void this.#endUnlessStanding(),
    })
  }

  async receive(message: Uint8Array): Promise<void> {
    const since = this.#context.measures === undefined ? 0 : this.#context.realm.time.monotonic()
    const call = decodeCall(message)
    let mayCall = false
    let answer: KdcAnswer
    try {
      await this.#requireStanding()
      mayCall = true
      answer = { n: call.n, results: await this.#run(call) }
    } catch (cause) {
      answer = this.#failure(call, cause)
    }
    const answered = this.#channel.send(encodeAnswer(answer))
    this.#calling.follower?.flow()
    await answered
    this.#measure(call, answer, since)
    if (!mayCall && isFinal(answer)) await this.#endInOrder()
    if (!this.#isChanging) return
    this.#isChanging = false
    await this.#endUnlessStanding()
  }

  /** Another principal, such as a host that joins, could do nothing about it. */
  #tellPutOut(ids: readonly string[]): void {
    if (!isAdministrator(this.#channel.verified.claims)) return
    for (const id of ids) void this.#channel.send(encodeEvent({ name: KDC_EVENT.PUT_OUT, fields: [id] }))
  }

  #measure({ method }: KdcCall, answer: KdcAnswer, since: number): void {
    const { measures, realm } = this.#context
    if (measures === undefined) return
    const exchange = FREQUENT.has(method) || method === FOLLOW ? 'feed' : 'administration'
    measures.answered(exchange, 'code' in answer ? answer.code : 'ok', realm.time.monotonic() - since)
  }

  broken(cause: unknown): void {
    const reason = cause instanceof OrthrusError ? cause.reason : describeFailure(cause).message
    const { report } = this.#context
    report.tell({ kind: 'channel_ended', origin: this.#origin(), broken: true, reason })
  }

  ended(): void {
    this.#leave()
    const { follower } = this.#calling
    if (follower !== undefined) this.#context.realm.feed.leave(follower)
    void this.#call.backup.close()
  }

  #followingFrom(address: string): FollowingChannel {
    const channel = this.#channel
    const { claims } = channel.verified
    const principal = this.#presenter
    return {
      principal,
      address,
      names: isAdministrator(claims) ? 'all' : principal,
      get isOver() {
        return channel.isOver
      },
      send: message => channel.send(message),
      end: reason => this.#endFor(reason),
    }
  }

  get #presenter(): Principal {
    const { client, via } = this.#channel.verified
    return via ?? client
  }

  #endFor(reason: string): void {
    if (this.#channel.isOver) return
    this.#channel.end()
    const { report } = this.#context
    report.tell({ kind: 'channel_ended', origin: this.#origin(), broken: false, reason })
  }

  #requireStanding(): MaybePromise<void> {
    const { realm } = this.#context
    const { verified, endTime } = this.#channel
    return requireStanding(realm, verified, endTime, realm.time.now())
  }

  /**
   * The same, once it is known: while this KDC may not have seen all changes, nobody can say whether the channel stands.
   * Its calls are answered `unavailable` meanwhile.
   */
  async #requireStandingWhenKnown(): Promise<void> {
    const { directory } = this.#context.realm
    for (let wait = directory.whenCurrent(); ; ) {
      this.#isWaiting = wait !== undefined
      await wait
      this.#isWaiting = false
      try {
        return await this.#requireStanding()
      } catch (cause) {
        if (!(cause instanceof OrthrusError) || cause.code !== 'unavailable') throw cause
        wait = directory.whenCurrent()
        if (wait === undefined) throw cause
      }
    }
  }

  /** Whoever revokes something of its own is answered first. */
  async #endUnlessStanding(): Promise<void> {
    if (this.#isWaiting) return
    try {
      await this.#requireStandingWhenKnown()
    } catch (cause) {
      if (this.#channel.isOver || this.#isChanging || !(await this.#endInOrder())) return
      reportFailure(cause, this.#context.report, this.#origin(), null)
    }
  }

  /** A follower is sent the entry that ends its channel first. @returns false if the channel was over before */
  async #endInOrder(): Promise<boolean> {
    const { follower } = this.#calling
    if (follower !== undefined) await this.#context.realm.feed.sendRest(follower)
    if (this.#channel.isOver) return false
    this.#channel.end()
    return true
  }

  async #run(call: KdcCall): Promise<Value[]> {
    const { rates } = this.#context
    const { method } = call
    if (FREQUENT.has(method) || method === FOLLOW) rates.requireFeedCall(this.#presenter)
    if (!FREQUENT.has(method)) rates.requireClient(this.#presenter)
    const results = await callMethod(this.#contextOf(call), method, call.args)
    // A few bytes can ask for the whole log.
    if (method === FOLLOW) rates.countFeedEntries(this.#presenter, this.#calling.follower?.behind ?? 0)
    return results
  }

  /** A new key counts when it is about to be made: a thief who may make none must not use up what the holder may. */
  #contextOf({ method }: KdcCall): AdminContext {
    if (!CHANGING.has(method)) return this.#sharing
    const change: AdminContext['change'] = async plan => {
      this.#context.rates.requireKeyChange(this.#presenter)
      return this.#call.change(plan)
    }
    return { ...this.#call, change }
  }

  #failure({ n, method }: KdcCall, cause: unknown): KdcAnswer {
    const origin = { ...this.#origin(), method: method.slice(0, 40) }
    return { n, code: reportFailure(cause, this.#context.report, origin, null), message: messageOf(cause) }
  }

  #origin(): Origin {
    const { address } = this.#calling.channel
    const { ticketId } = this.#calling
    return { exchange: 'administration', address, by: actorsOf(this.#channel.verified), ticketId }
  }
}

/**
 * An owner's acts are in the audit log without exception, so whoever makes too many is refused before one is written:
 * old files of the log are removed as new ones come. Administrators may do anything in any case.
 */
function shareOfOwner(
  { report, rates }: ExchangeContext,
  { client, claims }: AcceptedChannel['verified'],
): Report {
  if (isAdministrator(claims)) return report
  return {
    tell: event => report.tell(event),
    record: async event => {
      if (event.kind === 'record_changing' || event.kind === 'records_read') rates.requireOwnerAct(client)
      await report.record(event)
    },
  }
}

const FOLLOW: FeedMethod = 'follow'

/** What a follower says again and again. */
const FREQUENT: ReadonlySet<string> = new Set<FeedMethod>(['alive', 'seen'])

/** Whether the caller may never speak again in this channel; otherwise the KDC only could not find out for now. */
function isFinal(answer: KdcAnswer): boolean {
  return 'code' in answer && !isTransient(answer.code)
}

/** What makes a key for the caller, or for the host that holds its code. */
const CHANGING: ReadonlySet<string> = new Set<OwnMethod | InvitationMethod>([
  'next-key',
  'new-password',
  'enrol',
])

/** What the operator reads: the reason and what to do next. */
function messageOf(cause: unknown): string {
  if (!(cause instanceof OrthrusError)) return 'the KDC could not do it; its log says why'
  const { reason, facts } = cause
  return facts.hint === undefined ? reason : `${reason}; ${facts.hint}`
}

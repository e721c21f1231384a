import {
  decodeFromKdc,
  encodeCall,
  type KdcAnswer,
  type KdcEvent,
  resultsOf,
} from '../../shared/channel/calls.js'
import { channelBinding } from '../../shared/channel/records.js'
import { TYPE } from '../../shared/constants.js'
import type { Value } from '../../shared/encoding/encoding.js'
import { malformed, OrthrusError } from '../../shared/errors.js'
import { kdcService, realmOf } from '../../shared/principal.js'
import { abortable, runAfter } from '../../shared/timers.js'
import type { KdcStream } from '../kdc-link/connection.js'
import { explainingKdcErrors } from '../kdc-link/explained-answer.js'
import { said } from '../kdc-link/link-failure.js'
import { partsOf, type Realm, type RealmParts, whenClosed } from '../realm.js'
import type { ErrorAnswer, Presented } from '../request/presenting.js'
import { lateAnswer, PresentedChannel } from '../service-channel/presented-channel.js'
import type { Ticket } from '../ticket/ticket.js'

/** The largest answer accepted, bytes. */
const MESSAGE_MAX = 1024 * 1024

export interface CallOptions {
  readonly signal?: AbortSignal
  /** How much longer than usual the answer may take, because the call asks the KDC to wait, milliseconds. */
  readonly wait?: number
  /** Called with the results when they come, so in their place among the events. */
  readonly answered?: (results: readonly Value[]) => void
}

/** A channel to the service that the KDC hosts (docs/protocol.md section 9). */
export interface KdcChannel {
  /**
   * Makes one call (`shared/channel/calls.ts`). @returns its results
   * @throws OrthrusError with the code of the answer, `channel_broken`, or `unavailable` if none comes in time
   */
  call(method: string, args: readonly Value[], options?: CallOptions): Promise<readonly Value[]>
  /** Ends the channel properly. Pending calls are rejected. */
  close(): void
  /** Gives up the connection that it goes over: what is asked next goes to another KDC, if there are several. */
  leave(cause: unknown): void
}

export interface KdcChannelOptions {
  readonly signal?: AbortSignal
  /** Used instead of the ticket from the cache. */
  readonly ticket?: Ticket
  /**
   * Called with each event, in order; they begin after a call that asks for them. An OrthrusError from it ends the
   * channel.
   */
  readonly onEvent?: (event: KdcEvent) => void
  /** Called once, when the channel is over, whichever side ended it. */
  readonly onEnd?: (cause: OrthrusError) => void
  /** Whether the process may end while the channel is open. Default false. */
  readonly isInBackground?: boolean
}

/**
 * Opens a channel. Of several KDCs, the others are asked where one fails.
 * @throws OrthrusError as `Realm.getServiceTicket` does, or with the KDC's code if it refuses
 */
export async function openKdcChannel(realm: Realm, options: KdcChannelOptions = {}): Promise<KdcChannel> {
  const { kdcs } = partsOf(realm).connection
  for (let tries = 1; ; tries++) {
    let isSent = false
    const sending = (): void => {
      isSent = true
    }
    try {
      return await openOnce(realm, options, sending)
    } catch (cause) {
      // Without a connection or a ticket, all of them were asked already.
      if (tries >= kdcs || !isSent || !mayOpenElsewhere(cause)) throw cause
    }
  }
}

/** Whether it was the KDC that failed, or somebody who says so in its name. */
function mayOpenElsewhere(cause: unknown): boolean {
  if (!(cause instanceof OrthrusError) || cause.final) return false
  return cause.code === 'unavailable' || cause.facts.claimed !== undefined
}

async function openOnce(realm: Realm, options: KdcChannelOptions, sending: () => void): Promise<KdcChannel> {
  const { presenter, source } = partsOf(realm)
  return presenter.present<KdcCalls>({
    service: kdcService(realmOf(source.client)),
    type: TYPE.AP_OPEN,
    method: 'CHANNEL',
    ticket: options.ticket,
    bind: () => ({ binding: channelBinding(''), headers: [] }),
    // Opening a channel twice does no harm.
    safe: true,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    send: presented => {
      sending()
      return KdcCalls.open(realm, presented, options)
    },
  })
}

/** Gives up the connection to the KDC: what is asked next goes over another one, to the next KDC if there are several. */
export function leaveKdc(realm: Realm, cause: unknown): void {
  partsOf(realm).connection.leave(cause)
}

interface Call {
  readonly resolve: (answer: KdcAnswer) => void
  readonly reject: (cause: OrthrusError) => void
}

/** Matches the calls of one channel with their answers, which come in any order, and passes events on. */
class KdcCalls implements KdcChannel {
  readonly #parts: RealmParts
  readonly #channel: PresentedChannel
  readonly #options: KdcChannelOptions
  readonly #calls = new Map<number, Call>()
  readonly #forget: () => void
  #stream: KdcStream | undefined
  /** Its URL, once the stream is open: nothing is said of the channel before. */
  #kdc = ''
  #lastCall = 0
  #isOpen = false

  private constructor(realm: Realm, options: KdcChannelOptions) {
    const parts = partsOf(realm)
    this.#options = options
    this.#parts = parts
    this.#channel = new PresentedChannel({
      openStream: async events => {
        this.#stream = await parts.openStream(events, options.isInBackground === true)
        this.#kdc = this.#stream.kdc
        return this.#stream
      },
      peer: () => this.#peer,
      clock: parts.http.clock,
      timers: parts.timers,
      timeout: parts.callTimeout,
      maxMessage: MESSAGE_MAX,
      explaining: look => explainingKdcErrors(this.#kdc, look),
      user: { receive: message => this.#receive(message), ended: cause => this.#end(cause) },
    })
    this.#forget = whenClosed(realm, cause => this.#channel.end(cause))
  }

  static async open(
    realm: Realm,
    presented: Presented,
    options: KdcChannelOptions,
  ): Promise<KdcCalls | ErrorAnswer> {
    const calls = new KdcCalls(realm, options)
    const channel = calls.#channel
    try {
      const refused = await abortable(channel.open(presented), options.signal)
      if (refused === undefined) {
        calls.#isOpen = true
        return calls
      }
      const { code, authenticated } = refused.error
      if (code === 'unavailable' || !authenticated) calls.leave(said(code))
      channel.end(channel.broken('it was refused'))
      return { ...refused, kdc: calls.#kdc }
    } catch (cause) {
      channel.end(channel.broken('it was not opened'))
      throw cause
    }
  }

  async call(
    method: string,
    args: readonly Value[],
    { signal, wait = 0, answered }: CallOptions = {},
  ): Promise<readonly Value[]> {
    signal?.throwIfAborted()
    this.#channel.requireOpen()
    const n = ++this.#lastCall
    const message = encodeCall({ n, method, args })
    const { timers, callTimeout } = this.#parts
    const timeout = callTimeout + wait
    const answer = new Promise<KdcAnswer>((resolve, reject) => {
      const take = (given: KdcAnswer): void => {
        resolve(given)
        if ('results' in given) answered?.(given.results)
      }
      this.#calls.set(n, { resolve: take, reject })
    })
    const late = (): void => this.#calls.get(n)?.reject(lateAnswer(this.#peer, method, timeout))
    const cancel = runAfter(timers, timeout, late)
    try {
      this.#channel.send(message)
      return resultsOf(await abortable(answer, signal), this.#kdc)
    } finally {
      cancel()
      this.#calls.delete(n)
    }
  }

  get #peer(): string {
    return `the KDC at ${this.#kdc}`
  }

  close(): void {
    this.#channel.close()
  }

  leave(cause: unknown): void {
    this.#stream?.leave(cause)
  }

  #receive(message: Uint8Array): void {
    const answer = decodeFromKdc(message)
    if ('name' in answer) {
      this.#options.onEvent?.(answer)
      return
    }
    if (answer.n > this.#lastCall) throw malformed('an answer to a call that was not made')
    // An answer to a call that was given up is ignored.
    this.#calls.get(answer.n)?.resolve(answer)
  }

  #end(cause: OrthrusError): void {
    this.#forget()
    for (const { reject } of this.#calls.values()) reject(cause)
    this.#calls.clear()
    if (this.#isOpen) this.#options.onEnd?.(cause)
  }
}

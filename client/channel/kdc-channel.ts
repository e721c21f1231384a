import { decodeAnswer, encodeCall, type KdcAnswer, resultsOf } from '../../shared/channel/calls.js'
import { channelBinding, type RecordChannel, startChannel } from '../../shared/channel/records.js'
import { TYPE } from '../../shared/constants.js'
import type { Value } from '../../shared/encoding/encoding.js'
import { isError, openError } from '../../shared/encoding/error.js'
import { messageType } from '../../shared/encoding/message.js'
import { malformed, OrthrusError } from '../../shared/errors.js'
import { openApAccept } from '../../shared/exchange/ap.js'
import { kdcService, realmOf } from '../../shared/principal.js'
import { abortable } from '../../shared/timers.js'
import type { LinkStream } from '../kdc-link/failover.js'
import { startSpan } from '../kdc-link/kdc-clock.js'
import { judged } from '../kdc-link/refusals.js'
import { partsOf, type Realm, type RealmParts, whenClosed } from '../realm.js'
import type { ErrorAnswer, Presented } from '../request/presenter.js'

/** The largest answer taken, bytes. */
const MESSAGE_MAX = 1024 * 1024

/** The service that the KDC hosts, over one channel (docs/protocol.md section 9). */
export interface KdcChannel {
  /**
   * One call of `shared/channel/calls.ts`. @returns its results.
   * @throws OrthrusError with the code of the answer, `channel_broken`, or `unavailable` where none comes in time
   */
  call(
    method: string,
    args: readonly Value[],
    options?: { readonly signal?: AbortSignal },
  ): Promise<readonly Value[]>
  /** Ends the channel in order; calls that wait are rejected. */
  close(): void
}

/** @throws OrthrusError as `Realm.getServiceTicket` does, and with the KDC's code for the opening */
export async function openKdcChannel(
  realm: Realm,
  options: { readonly signal?: AbortSignal } = {},
): Promise<KdcChannel> {
  const { http, source } = partsOf(realm)
  return http.presenter.present<OpenChannel>({
    service: kdcService(realmOf(source.client)),
    type: TYPE.AP_OPEN,
    ticket: undefined,
    bind: () => ({ binding: channelBinding(''), headers: [] }),
    // An opening by itself does nothing.
    safe: true,
    ...options,
    send: presented => OpenChannel.open(realm, presented, options.signal),
  })
}

interface Call {
  readonly resolve: (answer: KdcAnswer) => void
  readonly reject: (cause: OrthrusError) => void
}

class OpenChannel implements KdcChannel {
  readonly #parts: RealmParts
  readonly #calls = new Map<number, Call>()
  #stream: LinkStream | undefined
  #records: RecordChannel | undefined
  #forget: () => void = () => {}
  /** Rejects the opening, while it is under way. */
  #fail: (cause: OrthrusError) => void = () => {}
  #lastCall = 0
  #ended: OrthrusError | undefined

  private constructor(parts: RealmParts) {
    this.#parts = parts
  }

  static async open(
    realm: Realm,
    presented: Presented,
    signal: AbortSignal | undefined,
  ): Promise<OpenChannel | ErrorAnswer> {
    const channel = new OpenChannel(partsOf(realm))
    channel.#forget = whenClosed(realm, cause => channel.#end(cause))
    try {
      const opening = channel.#open(presented)
      const refused = await abortable(opening, signal)
      if (refused === undefined) return channel
      channel.#end(broken('it was refused'))
      return refused
    } catch (cause) {
      channel.#end(broken('it was not opened'))
      throw cause
    }
  }

  async call(
    method: string,
    args: readonly Value[],
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<readonly Value[]> {
    signal?.throwIfAborted()
    if (this.#ended !== undefined) throw this.#ended
    const n = ++this.#lastCall
    const message = encodeCall({ n, method, args })
    const { timers, callTimeout } = this.#parts
    let timer: unknown
    const answer = new Promise<KdcAnswer>((resolve, reject) => {
      this.#calls.set(n, { resolve, reject })
      timer = timers.setTimeout(() => reject(late(method, callTimeout)), callTimeout)
    })
    this.#say(records => records.sealMessage(message))
    try {
      return resultsOf(await abortable(answer, signal))
    } finally {
      timers.clearTimeout(timer)
      this.#calls.delete(n)
    }
  }

  close(): void {
    if (this.#ended !== undefined) return
    this.#say(records => [records.sealEnd()])
    this.#end(broken('it was closed'))
  }

  /** @returns the error that answers the opening, or nothing where the channel is open. */
  async #open({ key, request }: Presented): Promise<ErrorAnswer | undefined> {
    const { connection, timers, http, callTimeout } = this.#parts
    let answered: (first: Uint8Array) => void = () => {}
    const first = new Promise<Uint8Array>((resolve, reject) => {
      answered = resolve
      this.#fail = reject
    })
    first.catch(() => {})
    const stream = await connection.openStream({
      received: message => (this.#records === undefined ? answered(message) : this.#receive(message)),
      closed: cause => {
        this.#fail(cause)
        this.#end(broken(cause.reason))
      },
    })
    this.#stream = stream
    if (this.#ended !== undefined) {
      stream.end()
      throw this.#ended
    }
    const timer = timers.setTimeout(() => this.#fail(late('opening', callTimeout)), callTimeout)
    const endSpan = startSpan(http.clock)
    stream.send(request.bytes)
    const answer = await first.finally(() => timers.clearTimeout(timer))
    const span = endSpan()
    const error = judged(() => (isError(answer) ? openError(answer, key, request.mac) : undefined))
    if (error !== undefined) return { error, span }
    judged(() => openApAccept(key, request.mac, answer))
    this.#records = startChannel('client', key, request.bytes, answer, MESSAGE_MAX)
    // The KDC counts the channel, and hands it on, only after this.
    this.#say(records => [records.sealGreeting()])
    return undefined
  }

  #say(seal: (records: RecordChannel) => Uint8Array[]): void {
    if (this.#records === undefined) throw broken('it is not open')
    for (const record of seal(this.#records)) this.#stream?.send(record)
  }

  #receive(message: Uint8Array): void {
    try {
      // A channel that broke on the other side is told so, by whoever it is: it is over either way.
      if (messageType(message) === TYPE.ERROR) throw broken('the KDC says that it is')
      const event = this.#records?.open(message)
      if (event?.kind === 'message') this.#answer(decodeAnswer(event.message))
      else if (event?.kind === 'end') this.#end(broken('the KDC ended it'))
    } catch (cause) {
      if (!(cause instanceof OrthrusError)) throw cause
      this.#end(cause.code === 'channel_broken' ? cause : broken(cause.reason))
    }
  }

  #answer(answer: KdcAnswer): void {
    const call = this.#calls.get(answer.n)
    if (answer.n > this.#lastCall) throw malformed('an answer to a call that was not made')
    // What nobody waits for any more came too late.
    call?.resolve(answer)
  }

  #end(cause: OrthrusError): void {
    if (this.#ended !== undefined) return
    this.#ended = cause
    this.#forget()
    this.#fail(cause)
    this.#stream?.end()
    for (const { reject } of this.#calls.values()) reject(cause)
    this.#calls.clear()
  }
}

function broken(reason: string): OrthrusError {
  return new OrthrusError('channel_broken', `the channel to the KDC is over: ${reason}`, {
    hint: 'open a new one',
  })
}

function late(what: string, milliseconds: number): OrthrusError {
  return new OrthrusError('unavailable', `the KDC did not answer ${what} within ${milliseconds} ms`, {
    hint: 'it may have been done all the same: look before repeating it',
  })
}

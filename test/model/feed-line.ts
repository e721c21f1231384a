import { PresentedChannel } from '../../client/service-channel/presented-channel.js'
import type { FeedChannel, FeedEvents } from '../../service/feed/session.js'
import { toHex } from '../../shared/bytes.js'
import { decodeFromKdc, encodeCall, resultsOf } from '../../shared/channel/calls.js'
import type { Value } from '../../shared/encoding/encoding.js'
import type { OrthrusError } from '../../shared/errors.js'
import { decodeLogState, KDC_EVENT } from '../../shared/revocation/feed.js'
import { KDC } from './cast.js'
import type { FeedFacts, Reading } from './feed-facts.js'
import type { FeedNetwork } from './feed-network.js'
import type { HonestClient } from './honest-client.js'

/** A service's end of the channel over which it follows what the KDC revokes. */

interface Call {
  readonly method: string
  readonly sent: Reading
  answered(results: readonly Value[]): void
  resolve(): void
  reject(cause: unknown): void
}

interface LineOptions {
  /** The service as a client of the KDC. */
  readonly client: HonestClient
  readonly network: FeedNetwork
  readonly facts: FeedFacts
  readonly events: FeedEvents
}

/** How long the answer to the opening is waited for, milliseconds. */
const TIMEOUT = 10_000
const MESSAGE_MAX = 1024 * 1024

export class FeedLine implements FeedChannel {
  readonly #options: LineOptions
  readonly #channel: PresentedChannel
  readonly #calls = new Map<number, Call>()
  #count = 0
  #isClosed = false

  private constructor(options: LineOptions) {
    const { client, network } = options
    this.#options = options
    this.#channel = new PresentedChannel({
      openStream: async events => network.connect(client.name, events),
      peer: () => 'the KDC',
      clock: client.clock,
      timers: client.clock,
      timeout: TIMEOUT,
      maxMessage: MESSAGE_MAX,
      explaining: look => look(),
      user: { receive: message => this.#receive(message), ended: cause => this.#ended(cause) },
    })
  }

  /** @throws OrthrusError */
  static open(options: LineOptions): Promise<FeedLine> {
    return options.client.openChannel(KDC, async presented => {
      const line = new FeedLine(options)
      return (await line.#channel.open(presented)) ?? line
    })
  }

  call(
    method: string,
    args: readonly Value[],
    { answered }: { readonly answered: (results: readonly Value[]) => void },
  ): Promise<void> {
    const n = ++this.#count
    const { clock } = this.#options.client
    const sent = { wall: clock.now(), monotonic: clock.monotonic() }
    return new Promise((resolve, reject) => {
      this.#calls.set(n, { method, sent, answered, resolve, reject })
      this.#channel.send(encodeCall({ n, method, args }))
    })
  }

  close(): void {
    this.#isClosed = true
    this.#channel.close()
  }

  /** What the service does not take ends the channel, and then it has not taken it. */
  #receive(message: Uint8Array): void {
    const { events, facts } = this.#options
    const told = decodeFromKdc(message)
    if ('name' in told) {
      events.onEvent(told)
      if (told.name === KDC_EVENT.ENTRY && !this.#isClosed) facts.applied(Number(told.fields[0]))
      return
    }
    const call = this.#calls.get(told.n)
    if (call === undefined) return
    this.#calls.delete(told.n)
    try {
      const results = resultsOf(told)
      call.answered(results)
      if (call.method === 'follow') facts.follows(toHex(decodeLogState(results).logId))
      if (call.method === 'alive' && !this.#isClosed)
        facts.confirmed(call.sent, decodeLogState(results).newest)
      call.resolve()
    } catch (cause) {
      call.reject(cause)
    }
  }

  #ended(cause: OrthrusError): void {
    for (const { reject } of this.#calls.values()) reject(cause)
    this.#calls.clear()
    this.#options.events.onEnd(cause)
  }
}

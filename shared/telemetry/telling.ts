import { type DiagnosticsChannel, diagnosticsChannel } from '#diagnostics'
import type { Logger } from '../logger.js'

/** How a party tells what it does: it counts each event, and passes it to the log, to `onEvent` and to channels. */

/** An event of a closed union of plain values. */
export interface PlainEvent {
  readonly kind: string
}

/** Numbers of events since the party began, by kind. */
export type EventCounts<Event extends PlainEvent> = { [Kind in Event['kind']]: number }

export interface TellingOptions<Event extends PlainEvent, Self extends object> {
  readonly party: 'client' | 'service'
  /** All kinds of events. */
  readonly kinds: readonly Event['kind'][]
  /** What says whose event it is, in what listeners get. */
  readonly self: () => Self
  /** Writes an event to the log. */
  readonly log: (event: Event) => void
  /** Whether the log would only drop what is neither a warning nor an error. */
  readonly isLogQuiet: boolean
  readonly onEvent: ((event: Event & Self) => void) | undefined
  /** The event for a listener that failed. Each listener is told of once. */
  readonly failed: (hook: string, err: unknown) => Event
  /** Where that is written if the log itself fails. */
  readonly lastResort: Logger
}

/** Whether anybody would hear of the events of one kind: to be asked before one is made that every request has. */
export interface Audience {
  readonly isListening: boolean
}

/** Passes each event to all listeners. None of them can fail the work that it is told of. */
export class Telling<Event extends PlainEvent, Self extends object> {
  readonly counts: EventCounts<Event>
  readonly #options: TellingOptions<Event, Self>
  readonly #channels: { readonly [Kind in Event['kind']]: DiagnosticsChannel }
  /** Listeners that failed before. */
  readonly #failing = new Set<string>()

  constructor(options: TellingOptions<Event, Self>) {
    const { kinds, party } = options
    this.#options = options
    this.counts = fromKinds(kinds, () => 0)
    this.#channels = fromKinds(kinds, kind => diagnosticsChannel(channelName(party, kind)))
  }

  audienceOf(kind: Event['kind']): Audience {
    const { isLogQuiet, onEvent } = this.#options
    const channel = this.#channels[kind]
    if (!isLogQuiet || onEvent !== undefined) return { isListening: true }
    return {
      get isListening() {
        return channel.hasSubscribers
      },
    }
  }

  readonly tell = (event: Event): void => {
    const kind: Event['kind'] = event.kind
    const { log, onEvent, self } = this.#options
    const channel = this.#channels[kind]
    this.counts[kind]++
    this.#pass('logger', log, event)
    if (onEvent === undefined && !channel.hasSubscribers) return
    const told = { ...self(), ...event }
    if (onEvent !== undefined) this.#pass('onEvent', onEvent, told)
    if (channel.hasSubscribers) this.#pass('diagnostics_channel', message => channel.publish(message), told)
  }

  #pass<Told>(hook: string, listener: (event: Told) => unknown, event: Told): void {
    try {
      const done = listener(event)
      if (done instanceof Promise) done.catch((err: unknown) => this.#fail(hook, err))
    } catch (err) {
      this.#fail(hook, err)
    }
  }

  #fail(hook: string, err: unknown): void {
    if (this.#failing.has(hook)) return
    this.#failing.add(hook)
    const { failed, lastResort } = this.#options
    if (hook === 'logger') lastResort.error({ err }, 'the logger failed: what it was given is lost')
    else this.tell(failed(hook, err))
  }
}

/** The name of the channel on which events of this kind are published. */
export function channelName(party: 'client' | 'service', kind: string): string {
  return `orthrus:${party}:${kind}`
}

function fromKinds<Kind extends string, Value>(
  kinds: readonly Kind[],
  from: (kind: Kind) => Value,
): { [key in Kind]: Value } {
  return Object.fromEntries(kinds.map(kind => [kind, from(kind)])) as { [key in Kind]: Value }
}

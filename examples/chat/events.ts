import type { Channel } from 'orthrus/client'

/** Named events over a channel, as socket.io has them: each message is the JSON of a name and of what goes with it. */

type Listener = (data: unknown) => void

export class Events {
  readonly #channel: Channel
  readonly #listeners = new Map<string, Listener>()

  constructor(channel: Channel) {
    this.#channel = channel
  }

  on(name: string, listener: Listener): this {
    this.#listeners.set(name, listener)
    return this
  }

  /** Whoever sends to many need not wait for the slowest: a channel on which too much waits is given up. */
  emit(name: string, data: unknown): Promise<void> {
    return this.#channel.send(JSON.stringify([name, data]))
  }

  /** Calls the listeners until the other side ends. @throws OrthrusError if the channel is cut off */
  async run(): Promise<void> {
    for await (const message of this.#channel) {
      const event = eventIn(message)
      if (event === undefined) return this.#channel.abort('a message that is no event')
      this.#listeners.get(event.name)?.(event.data)
    }
  }
}

/** What comes is proved to be the other side's, not to make sense. */
function eventIn(message: Uint8Array): { readonly name: string; readonly data: unknown } | undefined {
  try {
    const [name, data] = JSON.parse(new TextDecoder().decode(message)) as [unknown, unknown]
    return typeof name === 'string' ? { name, data } : undefined
  } catch {
    return undefined
  }
}

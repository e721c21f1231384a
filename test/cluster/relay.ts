import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** What becomes of the bytes of one direction of dialling. */
export type Passage =
  /** `delay` milliseconds later, in their order. */
  | { readonly kind: 'open'; readonly delay: number }
  /** Nothing is read any more: what was sent waits in the senders' buffers until it opens. New connections wait too. */
  | { readonly kind: 'frozen' }
  /** What is sent to the server goes on, and what it sends back is read by nobody. New connections are the same. */
  | { readonly kind: 'one way' }
  /** Connections are reset, and new ones too. */
  | { readonly kind: 'cut' }

const OPEN: Passage = { kind: 'open', delay: 0 }

interface Joint {
  readonly near: Socket
  readonly far: Socket
  readonly source: string
}

/** Says who dials, from the first bytes; `undefined` while they are too few. */
export type SourceOf = (first: Buffer) => string | undefined

/**
 * An address in front of a server, on the way from one party or several, each of which can be cut off by itself. It knows
 * no protocol but what tells the parties apart.
 */
export class Relay {
  readonly #server: Server
  readonly #sourceOf: SourceOf
  readonly #passages = new Map<string, Passage>()
  readonly #joints = new Set<Joint>()
  readonly #waiting = new Set<Socket>()
  #behind: number | undefined

  private constructor(sourceOf: SourceOf) {
    this.#sourceOf = sourceOf
    this.#server = createServer({ pauseOnConnect: false }, socket => this.#accept(socket))
  }

  /** @param sourceOf by default everybody is one party, `''` */
  static async start(port?: number, sourceOf: SourceOf = () => ''): Promise<Relay> {
    const relay = new Relay(sourceOf)
    relay.#behind = port
    await new Promise<void>(resolve => relay.#server.listen(0, '127.0.0.1', resolve))
    return relay
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Where new connections lead; nowhere without a port. */
  leadTo(port: number | undefined): void {
    this.#behind = port
  }

  /** @param source all of them by default */
  set(passage: Passage, source?: string): void {
    if (source === undefined) this.#passages.clear()
    this.#passages.set(source ?? ANY, passage)
    for (const joint of this.#joints) if (source === undefined || joint.source === source) this.#obey(joint)
  }

  open(source?: string): void {
    this.set(OPEN, source)
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#waiting) socket.destroy()
    for (const { near, far } of this.#joints) {
      near.destroy()
      far.destroy()
    }
  }

  #passageOf(source: string): Passage {
    return this.#passages.get(source) ?? this.#passages.get(ANY) ?? OPEN
  }

  #accept(near: Socket): void {
    near.setNoDelay(true)
    near.on('error', () => {})
    this.#waiting.add(near)
    near.once('close', () => this.#waiting.delete(near))
    const decide = (first: Buffer): void => {
      const source = this.#sourceOf(first)
      if (source === undefined) return
      near.off('data', gather)
      near.pause()
      this.#waiting.delete(near)
      this.#join(near, first, source)
    }
    let read = Buffer.alloc(0)
    const gather = (bytes: Buffer): void => {
      read = Buffer.concat([read, bytes])
      decide(read)
    }
    near.on('data', gather)
    // Whoever waits for the other side to speak first is known without a word.
    if (this.#sourceOf(NOTHING) !== undefined) decide(NOTHING)
  }

  #join(near: Socket, first: Buffer, source: string): void {
    if (this.#behind === undefined || this.#passageOf(source).kind === 'cut') {
      near.resetAndDestroy()
      return
    }
    const far = connect(this.#behind, '127.0.0.1')
    far.setNoDelay(true)
    far.on('error', () => {})
    const joint = { near, far, source }
    this.#joints.add(joint)
    if (first.length > 0) far.write(first)
    this.#carry(joint, near, far)
    this.#carry(joint, far, near)
    this.#obey(joint)
  }

  #carry(joint: Joint, from: Socket, to: Socket): void {
    from.on('data', bytes => {
      const passage = this.#passageOf(joint.source)
      const delay = passage.kind === 'open' ? passage.delay : 0
      if (delay === 0) this.#hand(from, to, bytes)
      else setTimeout(() => this.#hand(from, to, bytes), delay)
    })
    from.once('close', () => {
      this.#joints.delete(joint)
      to.destroy()
    })
  }

  #hand(from: Socket, to: Socket, bytes: Buffer): void {
    if (to.destroyed || to.write(bytes)) return
    from.pause()
    to.once('drain', () => from.resume())
  }

  #obey({ near, far, source }: Joint): void {
    const { kind } = this.#passageOf(source)
    for (const socket of [near, far]) {
      if (kind === 'cut') socket.resetAndDestroy()
      else if (kind === 'frozen' || (kind === 'one way' && socket === far)) socket.pause()
      else socket.resume()
    }
  }
}

const ANY = '*'
const NOTHING = Buffer.alloc(0)

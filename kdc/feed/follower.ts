import { OrthrusError } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import type { EntryPages, VisibleNames } from './entry-pages.js'
import type { FollowedLog } from './followed-log.js'

/** A channel to `kdc@realm`, as far as the feed needs it. */
export interface FollowingChannel {
  /** The principal that presents the channel's tickets. */
  readonly principal: Principal
  /** Where its connection comes from. */
  readonly address: string
  readonly names: VisibleNames
  readonly isOver: boolean
  /** Seals the message now. Resolves when the operating system has it, or never will. */
  send(message: Uint8Array): Promise<void>
  /** Ends the channel. @param reason for the log of the KDC */
  end(reason: string): void
}

export interface FollowerParts {
  readonly log: FollowedLog
  readonly pages: EntryPages
  readonly monotonic: () => number
  /** Has `advance` called soon. */
  readonly wake: (follower: Follower) => void
}

/** The most events other than entries that wait for a follower that is being answered. */
const EVENTS_WAITING = 8

/**
 * One follower of the revocation log: where it is in the log, and what it said. It is sent a page of entries at a time,
 * the next one when the operating system has the last. So a follower that does not read takes a bounded amount of
 * memory, and delays nobody else.
 */
export class Follower {
  readonly channel: FollowingChannel
  /** The last entry that it says it applied; 0 before the first. */
  seen: number
  /** When it last called, by the monotonic clock. */
  heardAt: number
  readonly #parts: FollowerParts
  #next: number
  /** While an answer that tells the newest entry is on its way, no entry may go before it. */
  #isHeld = true
  /** Since when a page is on its way, by the monotonic clock. */
  #sendingSince: number | undefined
  #events: Uint8Array[] = []
  #atHead: (() => void)[] = []

  /** @param next the entry that it is sent first. It begins held */
  constructor(channel: FollowingChannel, next: number, seen: number, parts: FollowerParts) {
    this.channel = channel
    this.seen = seen
    this.heardAt = parts.monotonic()
    this.#next = next
    this.#parts = parts
  }

  /** The last entry that it was sent. */
  get sent(): number {
    return this.#next - 1
  }

  /** Whether it was sent all entries of the log. */
  get isAtHead(): boolean {
    return this.#next > this.#parts.log.newest
  }

  /** How many entries it has yet to be sent. */
  get behind(): number {
    return Math.max(0, this.#parts.log.newest - this.sent)
  }

  /** Sends nothing until `flow`. */
  hold(): void {
    this.#isHeld = true
  }

  /** The answer is on its way, so entries may follow. */
  flow(): void {
    if (!this.#isHeld) return
    this.#isHeld = false
    for (const event of this.#events.splice(0)) void this.channel.send(event)
    if (!this.isAtHead) this.#parts.wake(this)
  }

  /** Sends an event that is no entry. */
  tell(event: Uint8Array): void {
    if (!this.#isHeld) void this.channel.send(event)
    else if (this.#events.length < EVENTS_WAITING) this.#events.push(event)
  }

  /** Sends the next page, if there is one and the page before is sent. */
  advance(): void {
    if (this.#isHeld || this.#sendingSince !== undefined || this.isAtHead || this.channel.isOver) return
    this.#sendingSince = this.#parts.monotonic()
    this.#sendPage().then(
      () => {
        this.#sendingSince = undefined
        if (!this.isAtHead) this.#parts.wake(this)
      },
      cause => this.channel.end(cause instanceof OrthrusError ? cause.reason : 'the log cannot be read'),
    )
  }

  /** Resolves when it was sent all entries of the log, or its channel is over. */
  whenAtHead(): Promise<void> {
    if (this.isAtHead || this.channel.isOver) return Promise.resolve()
    this.#parts.wake(this)
    return new Promise(resolve => this.#atHead.push(resolve))
  }

  /** Whether the operating system has not taken a page for that long, milliseconds. */
  isStuck(milliseconds: number): boolean {
    const { monotonic } = this.#parts
    return this.#sendingSince !== undefined && monotonic() - this.#sendingSince >= milliseconds
  }

  /** Its channel is over. */
  ended(): void {
    this.#release()
  }

  async #sendPage(): Promise<void> {
    const { log, pages } = this.#parts
    if (this.#next < log.oldest) throw new OrthrusError('unavailable', 'its place in the log was cleared')
    const page = pages.from(this.#next)
    let sent = Promise.resolve()
    for (const event of page instanceof Promise ? await page : page) {
      sent = this.channel.send(event.bytesFor(this.channel.names))
      this.#next = event.seq + 1
    }
    if (this.isAtHead) this.#release()
    await sent
  }

  #release(): void {
    for (const resolve of this.#atHead.splice(0)) resolve()
  }
}

import type { OrthrusError } from '../errors.js'

/**
 * A channel between a client and a service, as either side uses it (docs/protocol.md section 9). Messages arrive whole,
 * once, in order, and from the other side, and nobody else can read them. A loop `for await (const message of channel)`
 * takes them until the other side ends; leaving the loop early loses nothing, and another one goes on.
 */
export interface Channel extends AsyncIterable<Uint8Array> {
  /** When it ends at the latest, by its tickets and their caveats: milliseconds, KDC time. */
  readonly endTime: number
  /** Whether nothing more can be sent or received. */
  readonly isOver: boolean
  /** Resolves, when the channel is over, with the cause; with `undefined` if both sides had ended. Never rejects. */
  readonly closed: Promise<OrthrusError | undefined>
  /**
   * Sends one message; a text as UTF-8. Its memory may be used again once this has returned its promise. Wait for it before the next one, so that a slow reader slows its sender down.
   * Resolves when the operating system has the message. A rejection that nobody handles does not end the process.
   * @throws OrthrusError as `receive` does once the channel is over; `channel_broken` if too much waits to be sent
   * @throws TypeError for anything but bytes and well-formed text, and after `end`
   */
  send(message: Uint8Array | string): Promise<void>
  /**
   * The next message; `undefined` once the other side has ended, and all that it sent was taken. While nothing is
   * taken, the other side is slowed down.
   * @throws OrthrusError if the channel is over without an end of the other side, so that something may be missing:
   * `ticket_expired` at its end time, at a service `revoked` or `unavailable` if it accepts the ticket no longer, and
   * `channel_broken` in all other cases
   */
  receive(): Promise<Uint8Array | undefined>
  /** Says that this side sends no more. The other side may go on; the channel is over when both have ended. */
  end(): Promise<void>
  /** Gives the channel up at once. For the other side it is broken. Does nothing if it is over. */
  abort(reason?: string): void
}

/** Bytes. A message is assembled before it is handed on, and waits until it is taken. */
export const CHANNEL_MESSAGE_MAX = 1024 * 1024

import { secretsOf, type Ticket } from '../../client/ticket.js'
import { revealKey } from '../../shared/crypto/keys.js'
import { CANARY } from './cast.js'
import { InvariantBroken, require } from './reference.js'

interface Secret {
  readonly bytes: Buffer
  readonly what: string
}

/** Every key of a run, and the claim that nobody else may read: what no honest party may let anybody see. */
export class Secrets {
  readonly #secrets: Secret[] = []

  keep(bytes: Uint8Array, what: string): void {
    this.#secrets.push({ bytes: Buffer.from(bytes), what })
  }

  /** The keys that a credential of this ticket has in it. */
  keepTicket(ticket: Ticket): void {
    const { chain, key } = secretsOf(ticket)
    const keys = chain === undefined ? [key] : [chain, key]
    for (const secret of keys) this.keep(revealKey(secret), `a key of a ticket of ${ticket.client}`)
  }

  /** Nothing that an honest party sends shows one. */
  requireNone(sent: Uint8Array): void {
    const message = Buffer.from(sent.buffer, sent.byteOffset, sent.byteLength)
    for (const { bytes, what } of this.#secrets) {
      if (message.includes(bytes)) throw new InvariantBroken(`${what} is on the wire`)
    }
    require(!message.includes(CANARY), 'a claim is on the wire')
  }
}

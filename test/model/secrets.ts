import { secretsOf, type Ticket } from '../../client/ticket/ticket.js'
import { revealKey } from '../../shared/crypto/keys.js'
import { CANARY } from './cast.js'
import { InvariantBroken, require } from './reference.js'
import type { Letter } from './service-host.js'

interface Secret {
  readonly bytes: Buffer
  readonly what: string
}

/** Headers in which messages and credentials travel, as base64url. */
const CARRYING: readonly string[] = [
  'authorization',
  'authentication-info',
  'www-authenticate',
  'orthrus-credential',
]
/** The least length of a key, without the prefix of a credential or key text. */
const ENCODED = /(?:orthrus(?:key)?1_)?([A-Za-z0-9_-]{43,})/g

/** Every key of a run, and the claim that nobody else may read: no honest party may reveal any of them. */
export class Secrets {
  readonly #secrets: Secret[] = []

  keep(bytes: Uint8Array, what: string): void {
    this.#secrets.push({ bytes: Buffer.from(bytes), what })
  }

  /** The keys in a credential of this ticket. */
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

  /** Nor does what it sends over HTTP, either as it is or in what a header contains. */
  requireNoneInHttp(headers: Letter['headers'], rest: string): void {
    const plain = Buffer.from(`${headers.flat().join('\n')}\n${rest}`, 'latin1')
    this.requireNone(Buffer.concat([plain, ...headers.flatMap(decoded)]))
  }
}

function decoded([name, value]: readonly [name: string, value: string]): Buffer[] {
  if (!CARRYING.includes(name.toLowerCase())) return []
  return [...value.matchAll(ENCODED)].map(([, text = '']) => Buffer.from(text, 'base64url'))
}

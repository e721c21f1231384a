import type { Usage } from '../constants.js'
import { SIZE } from '../constants.js'

/** The expansion of a key for one usage. */
export interface Expanded {
  readonly usage: Usage
  readonly bytes: Uint8Array
}

/** The bytes of a key, for the few modules that derive from it, seal it or write it down. */
export let revealKey: (key: AnyKey) => Uint8Array
/** The expansions of a key so far, kept with it. A list, because a key has few usages. */
export let expandedOf: (key: AnyKey) => Expanded[]

/**
 * One opaque class for each role (docs/protocol.md sections 1, 5, 8 and 9). A key's bytes never appear in text, JSON
 * or an inspection. `usage` exists for the compiler alone: it says what a key of that role may be expanded for.
 */
abstract class Key<U extends Usage> {
  declare readonly usage: U
  readonly #bytes: Uint8Array
  #expanded: Expanded[] | undefined

  /** Takes ownership: the caller must not keep or change the bytes. @throws TypeError unless there are 32. */
  constructor(bytes: Uint8Array) {
    if (bytes.length !== SIZE.KEY) throw new TypeError(`a key has ${SIZE.KEY} bytes, not ${bytes.length}`)
    this.#bytes = bytes
  }

  static {
    revealKey = key => key.#bytes
    expandedOf = key => {
      key.#expanded ??= []
      return key.#expanded
    }
  }

  toString(): string {
    return `[${this.constructor.name}]`
  }

  toJSON(): string {
    return this.toString()
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString()
  }
}

export type AnyKey = Key<Usage>

/** What a principal shares with the KDC. */
export class LongTermKey extends Key<'as-req' | 'as-rep' | 'ticket' | 'error' | 'ratchet' | 'lock'> {
  declare private readonly role: 'long-term'
}

/** A chain with which a ticket was presented: its caveats, and the key at its end. */
export interface KnownChain {
  readonly caveats: readonly Uint8Array[]
  readonly key: AuthKey
}

/** The chains with which a ticket was presented before, kept as long as its key. */
export let chainsOf: (key: SessionKey) => KnownChain[]

/** `K`, the key in a ticket and in its grant. */
export class SessionKey extends Key<'chain'> {
  declare private readonly role: 'session'
  #chains: KnownChain[] | undefined

  static {
    chainsOf = key => {
      key.#chains ??= []
      return key.#chains
    }
  }
}

/** `K_i`, a link of the caveat chain. It is never a MAC key for a message. */
export class ChainKey extends Key<'auth'> {
  declare private readonly role: 'chain'
}

/** The key of the delegate's own ticket, and the key that it and the delegated ticket combine to. */
export interface KnownCombination {
  readonly own: AuthKey
  readonly key: AuthKey
}

/** The last combination in which the delegated ticket was presented. */
export let combinationOf: (delegated: AuthKey) => KnownCombination | undefined
export let setCombination: (delegated: AuthKey, combination: KnownCombination) => void

/** `A`, under which requests are MAC'd and answered. */
export class AuthKey extends Key<
  'tgs-req' | 'tgs-rep' | 'ap-req' | 'ap-rep' | 'error' | 'channel' | 'hand-off'
> {
  declare private readonly role: 'auth'
  #combination: KnownCombination | undefined

  static {
    combinationOf = delegated => delegated.#combination
    setCombination = (delegated, combination) => {
      delegated.#combination = combination
    }
  }
}

/** `C`, the key of one channel. */
export class ChannelKey extends Key<'client-to-service' | 'service-to-client'> {
  declare private readonly role: 'channel'
}

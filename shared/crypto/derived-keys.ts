import { equalBytes } from '#primitives'
import type { Usage } from '../constants.js'
import {
  type AnyKey,
  type AuthKey,
  chainsOf,
  combinationOf,
  expandedOf,
  type KnownChain,
  type SessionKey,
  setCombination,
} from './keys.js'

/**
 * All derived keys that are remembered between requests. Each is kept in the key that it was derived from, and is
 * forgotten with it. A key keeps one expansion per usage, a ticket's key the last few chains of caveats that it was
 * presented with, and each chain its last delegate.
 */

/** A narrowed ticket is usually presented many times with the same caveats, so the last few short chains are kept. */
const CHAINS_KEPT = 4
const CHAIN_BYTES_KEPT = 256

/** The remembered expansion of the key for this usage. */
export function rememberedExpansion(key: AnyKey, usage: Usage): Uint8Array | undefined {
  for (const expanded of expandedOf(key)) if (expanded.usage === usage) return expanded.bytes
  return undefined
}

export function rememberExpansion(key: AnyKey, usage: Usage, bytes: Uint8Array): void {
  expandedOf(key).push({ usage, bytes })
}

/** The remembered key at the end of this chain of caveats. */
export function rememberedChain(key: SessionKey, caveats: readonly Uint8Array[]): AuthKey | undefined {
  return chainOf(key, caveats)?.key
}

/** Most tickets are presented without further caveats, so the key for that is always kept. */
export function rememberBareChain(key: SessionKey, authKey: AuthKey): void {
  chainsOf(key).push({ caveats: [], key: authKey })
}

/**
 * Remembers a short chain whose key was proved. A chain that was not proved leaves no trace.
 * @returns the caveats as remembered, the same objects each time; for a long chain, the caveats given
 */
export function keepChain(
  key: SessionKey,
  caveats: readonly Uint8Array[],
  authKey: AuthKey,
): readonly Uint8Array[] {
  const known = chainOf(key, caveats)
  if (known !== undefined) return known.caveats
  if (caveats.reduce((sum, { length }) => sum + length, 0) > CHAIN_BYTES_KEPT) return caveats
  const kept = { caveats: caveats.map(caveat => caveat.slice()), key: authKey }
  const chains = chainsOf(key)
  chains.unshift(kept)
  chains.length = Math.min(chains.length, CHAINS_KEPT)
  return kept.caveats
}

/** The caveats of each chain that is remembered with the key. */
export function keptChains(key: SessionKey): readonly (readonly Uint8Array[])[] {
  return chainsOf(key).map(({ caveats }) => caveats)
}

/** The remembered key of this delegated presentation. */
export function rememberedCombination(own: AuthKey, delegated: AuthKey): AuthKey | undefined {
  const known = combinationOf(delegated)
  return known?.own === own ? known.key : undefined
}

/** Remembers a combination whose key was proved, in place of the previous one: a ticket has few delegates. */
export function keepCombination(own: AuthKey, delegated: AuthKey, key: AuthKey): void {
  if (combinationOf(delegated)?.own !== own) setCombination(delegated, { own, key })
}

function chainOf(key: SessionKey, caveats: readonly Uint8Array[]): KnownChain | undefined {
  return chainsOf(key).find(known => isSameList(known.caveats, caveats))
}

function isSameList(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  return a.length === b.length && a.every((bytes, i) => equalBytes(bytes, b[i] as Uint8Array))
}

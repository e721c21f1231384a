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
 * All keys that are remembered between requests. Each is kept in the key that it was derived from, and is forgotten with
 * it. A key keeps one expansion for each usage, a ticket the last few ways in which it was presented, and each way its
 * last delegate.
 */

/** Somebody who narrows a ticket presents it many times like that: the last few ways are kept if they are short. */
const CHAINS_KEPT = 4
const CHAIN_BYTES_KEPT = 256

/** What the key was expanded to for this usage before. */
export function rememberedExpansion(key: AnyKey, usage: Usage): Uint8Array | undefined {
  for (const expanded of expandedOf(key)) if (expanded.usage === usage) return expanded.bytes
  return undefined
}

export function rememberExpansion(key: AnyKey, usage: Usage, bytes: Uint8Array): void {
  expandedOf(key).push({ usage, bytes })
}

/** The key that these caveats led to before. */
export function rememberedChain(key: SessionKey, caveats: readonly Uint8Array[]): AuthKey | undefined {
  return chainOf(key, caveats)?.key
}

/** Most tickets are presented as they are, so the key of a ticket without further caveats is always kept. */
export function rememberBareChain(key: SessionKey, authKey: AuthKey): void {
  chainsOf(key).push({ caveats: [], key: authKey })
}

/**
 * Keeps a short chain whose key was proved. A chain that was not proved leaves no trace.
 * @returns the caveats as they are kept: the same objects each time; for a long chain, the caveats given
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

/** The key that both sides of this delegated presentation led to before. */
export function rememberedCombination(own: AuthKey, delegated: AuthKey): AuthKey | undefined {
  const known = combinationOf(delegated)
  return known?.own === own ? known.key : undefined
}

/** Keeps a combination whose key was proved, in place of the one before: a ticket has few delegates. */
export function keepCombination(own: AuthKey, delegated: AuthKey, key: AuthKey): void {
  if (combinationOf(delegated)?.own !== own) setCombination(delegated, { own, key })
}

function chainOf(key: SessionKey, caveats: readonly Uint8Array[]): KnownChain | undefined {
  return chainsOf(key).find(known => isSameList(known.caveats, caveats))
}

function isSameList(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  return a.length === b.length && a.every((bytes, i) => equalBytes(bytes, b[i] as Uint8Array))
}

import { chacha20poly1305, xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import { hmac } from '@noble/hashes/hmac.js'
import { scryptAsync as nobleScrypt } from '@noble/hashes/scrypt.js'
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js'

/** The portable implementation of docs/protocol.md section 2. `primitives.node.ts` has the same functions. */

const TAG_BYTES = 16

export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = nobleSha256.create()
  for (const part of parts) hash.update(part)
  return hash.digest()
}

const ascii = new TextEncoder()

/** SHA-256 of a text that is ASCII throughout, which the caller made sure of. */
export function sha256Ascii(text: string): Uint8Array {
  return nobleSha256(ascii.encode(text))
}

export function hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const mac = hmac.create(nobleSha256, key)
  for (const part of parts) mac.update(part)
  return mac.digest()
}

/** XChaCha20-Poly1305: the ciphertext followed by its tag. */
export function sealExtended(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  message: Uint8Array,
): Uint8Array {
  return xchacha20poly1305(key, nonce, aad).encrypt(message)
}

/** The message, or `undefined` if the tag does not match. */
export function openExtended(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  return attempt(() => xchacha20poly1305(key, nonce, aad).decrypt(sealed))
}

/**
 * ChaCha20-Poly1305 of RFC 8439: the ciphertext followed by its tag, in the memory of the message.
 * @param room the message, and behind it as many bytes as a tag has
 */
export function sealInPlace(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, room: Uint8Array): void {
  const message = room.subarray(0, room.length - TAG_BYTES)
  room.set(chacha20poly1305(key, nonce, aad).encrypt(message))
}

/** A sealed message in parts, which are its bytes when one is put behind the other. */
export interface SealedApart {
  readonly head: Uint8Array
  readonly rest: Uint8Array
  readonly tag: Uint8Array
}

/** As `sealInPlace`, of a head and the rest of the message, none of which is copied: each has its ciphertext apart. */
export function sealApart(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  head: Uint8Array,
  rest: Uint8Array,
): SealedApart {
  const room = new Uint8Array(head.length + rest.length + TAG_BYTES)
  room.set(head)
  room.set(rest, head.length)
  sealInPlace(key, nonce, aad, room)
  const end = room.length - TAG_BYTES
  return {
    head: room.subarray(0, head.length),
    rest: room.subarray(head.length, end),
    tag: room.subarray(end),
  }
}

/** The message, or `undefined` if the tag does not match. */
export function openRecord(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  return attempt(() => chacha20poly1305(key, nonce, aad).decrypt(sealed))
}

/** A message in two parts. The rest has memory of its own, in which nothing else is. */
export interface OpenedApart {
  readonly head: Uint8Array
  readonly rest: Uint8Array
}

/** As `openRecord`, with so many bytes of the message apart from the rest. `undefined` too if it has fewer. */
export function openApart(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
  headBytes: number,
): OpenedApart | undefined {
  const message = openRecord(key, nonce, aad, sealed)
  if (message === undefined || message.length < headBytes) return undefined
  return { head: message.slice(0, headBytes), rest: message.slice(headBytes) }
}

function attempt(open: () => Uint8Array): Uint8Array | undefined {
  try {
    return open()
  } catch {
    return undefined
  }
}

export interface ScryptParameters {
  readonly log2N: number
  readonly r: number
  readonly p: number
}

/** How much of it is done, from 0 to 1. */
export type OnProgress = (done: number) => void

/** What browsers have for work that must not hold up a page. */
interface Scheduler {
  postTask<T>(work: () => Promise<T>, options: { readonly priority: 'background' }): Promise<T>
}

/**
 * Each 10 ms it lets the platform do something else, so that a page stays alive. Where the platform knows priorities, what
 * goes on after such a pause would come before the page's timers, but for a task of the lowest one.
 * @param onProgress called 100 times
 */
export async function scrypt(
  password: Uint8Array,
  salt: Uint8Array,
  { log2N, r, p }: ScryptParameters,
  length: number,
  onProgress?: OnProgress,
): Promise<Uint8Array> {
  const options = { N: 2 ** log2N, r, p, dkLen: length, maxmem: 2 ** 31 }
  let told = 0
  const tell = (done: number): void => {
    const percent = Math.floor(done * 100)
    if (percent === told) return
    told = percent
    onProgress?.(percent / 100)
  }
  const work = () =>
    nobleScrypt(password, salt, onProgress === undefined ? options : { ...options, onProgress: tell })
  const { scheduler } = globalThis as { readonly scheduler?: Partial<Scheduler> }
  return scheduler?.postTask === undefined ? work() : scheduler.postTask(work, { priority: 'background' })
}

/** From the platform's generator only. */
export function randomBytes(length: number): Uint8Array {
  return globalThis.crypto.getRandomValues(new Uint8Array(length))
}

/** Compares in a time that depends on the lengths alone. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number)
  return difference === 0
}

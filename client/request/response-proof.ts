import { openError, type WireError } from '../../shared/encoding/error.js'
import { OrthrusError } from '../../shared/errors.js'
import { openApReply } from '../../shared/exchange/ap.js'
import {
  type CoveredBody,
  type HeaderPairs,
  isSameBinding,
  responseBinding,
} from '../../shared/http/binding.js'
import { listOf, parseChallenges, parseMessages } from '../../shared/http/headers.js'
import type { Presented } from './presenting.js'

/** Checks the proof of a response (docs/protocol.md section 8). Any HTTP adapter can use these pure functions. */

/** A response as plain values. The body is empty wherever the binding treats it as empty. */
export interface ResponseValues {
  readonly status: number
  readonly headers: HeaderPairs
  readonly body: CoveredBody
}

/** The proved AP-REPs of a response, and the binding of each. */
export interface ClaimedReplies {
  readonly bindings: readonly Uint8Array[]
  readonly replies: readonly Uint8Array[]
}

/**
 * What the headers of a response claim: bindings from proved AP-REPs, an ERROR, or neither. Anybody between service
 * and client may have added headers, so all of them are tried, and a proved one wins.
 */
export type ResponseClaim =
  | ClaimedReplies
  | { readonly error: WireError }
  | { readonly fault: string | undefined }

export function readClaim(
  headers: HeaderPairs,
  { key, request }: Pick<Presented, 'key' | 'request'>,
): ResponseClaim {
  const faults: string[] = []
  const messages = parseMessages(listOf(headers, 'authentication-info'))
  const proved = tryEach(messages, reply => ({ reply, ...openApReply(key, request.mac, reply) }), faults)
  if (proved.length > 0) {
    return { bindings: proved.map(({ binding }) => binding), replies: proved.map(({ reply }) => reply) }
  }
  const challenges = parseChallenges(listOf(headers, 'www-authenticate'))
  const claimed = challenges.flatMap(({ error }) => (error === undefined ? [] : [error]))
  const errors = tryEach(claimed, bytes => openError(bytes, key, request.mac), faults)
  const error = errors.find(({ authenticated }) => authenticated) ?? errors[0]
  return error === undefined ? { fault: faults[0] } : { error }
}

/** Whether the response is the one that the service proved. */
export function isBound(bindings: readonly Uint8Array[], { status, headers, body }: ResponseValues): boolean {
  const [actual] = tryEach([body], covered => responseBinding(status, headers, covered), [])
  return actual !== undefined && bindings.some(binding => isSameBinding(binding, actual))
}

function tryEach<A, T>(all: readonly A[], open: (one: A) => T, faults: string[]): T[] {
  return all.flatMap(one => {
    try {
      return [open(one)]
    } catch (cause) {
      if (!(cause instanceof OrthrusError)) throw cause
      faults.push(cause.reason)
      return []
    }
  })
}

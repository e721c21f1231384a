import { openError, type WireError } from '../../shared/encoding/error.js'
import { OrthrusError } from '../../shared/errors.js'
import { openApReply } from '../../shared/exchange/ap.js'
import { type HeaderPairs, isSameBinding, responseBinding } from '../../shared/http/binding.js'
import { listOf, parseChallenges, parseMessages } from '../../shared/http/headers.js'
import type { Presented } from './presenter.js'

/** What proves a response, as functions of values: any adapter of HTTP can use them (docs/protocol.md section 8). */

/** A response as values; the body is empty where the binding has it so. */
export interface ResponseValues {
  readonly status: number
  readonly headers: HeaderPairs
  readonly body: Uint8Array
}

/**
 * What the head of a response says in the service's name: bindings whose AP-REP is proved, an ERROR, or neither. Others
 * on the way may have added some of each, so all are tried and what is proved wins.
 */
export type ResponseClaim =
  | { readonly bindings: readonly Uint8Array[] }
  | { readonly error: WireError }
  | { readonly fault: string | undefined }

export function readClaim(
  headers: HeaderPairs,
  { key, request }: Pick<Presented, 'key' | 'request'>,
): ResponseClaim {
  const faults: string[] = []
  const replies = parseMessages(listOf(headers, 'authentication-info'))
  const bindings = tryEach(replies, bytes => openApReply(key, request.mac, bytes).binding, faults)
  if (bindings.length > 0) return { bindings }
  const challenges = parseChallenges(listOf(headers, 'www-authenticate'))
  const messages = challenges.flatMap(({ error }) => (error === undefined ? [] : [error]))
  const errors = tryEach(messages, bytes => openError(bytes, key, request.mac), faults)
  const error = errors.find(({ authenticated }) => authenticated) ?? errors[0]
  return error === undefined ? { fault: faults[0] } : { error }
}

/** Whether the response is the one that the service proved. */
export function isBound(bindings: readonly Uint8Array[], { status, headers, body }: ResponseValues): boolean {
  const [actual] = tryEach([body], bytes => responseBinding(status, headers, bytes), [])
  return actual !== undefined && bindings.some(binding => isSameBinding(binding, actual))
}

function tryEach<T>(all: readonly Uint8Array[], open: (bytes: Uint8Array) => T, faults: string[]): T[] {
  return all.flatMap(bytes => {
    try {
      return [open(bytes)]
    } catch (cause) {
      if (!(cause instanceof OrthrusError)) throw cause
      faults.push(cause.reason)
      return []
    }
  })
}

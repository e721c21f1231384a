import { decode, encode, type Value } from '../encoding/encoding.js'
import { errorCodeOf, fields, numberOf, textOf } from '../encoding/fields.js'
import { isTransient, malformed, OrthrusError, type WireCode } from '../errors.js'

/** Calls to `kdc@realm` inside its channel: each call and each answer is one message (docs/protocol.md section 9). */

export interface KdcCall {
  /** Chosen by the caller, above 0. The answer carries it too. */
  readonly n: number
  readonly method: string
  readonly args: readonly Value[]
}

export type KdcAnswer =
  | { readonly n: number; readonly results: readonly Value[] }
  | { readonly n: number; readonly code: WireCode; readonly message: string }

export function encodeCall({ n, method, args }: KdcCall): Uint8Array {
  return encode([n, method, ...args])
}

/** @throws OrthrusError `malformed` */
export function decodeCall(bytes: Uint8Array): KdcCall {
  const list = decode(bytes)
  const call = { n: numberOf(list[0]), method: textOf(list[1]), args: list.slice(2) }
  if (call.n === 0) throw malformed('a call numbered 0, which is for events')
  return call
}

export function encodeAnswer(answer: KdcAnswer): Uint8Array {
  if ('code' in answer) return encode([answer.n, answer.code, answer.message])
  return encode([answer.n, null, ...answer.results])
}

/** @throws OrthrusError `malformed` */
export function decodeAnswer(bytes: Uint8Array): KdcAnswer {
  return answerOf(decode(bytes))
}

function answerOf(list: readonly Value[]): KdcAnswer {
  if (list[1] === null) return { n: numberOf(list[0]), results: list.slice(2) }
  const [n, code, message] = fields(list, 3)
  return { n: numberOf(n), code: errorCodeOf(code), message: textOf(message) }
}

/** What the KDC says without being asked: a message numbered 0. */
export interface KdcEvent {
  readonly name: string
  readonly fields: readonly Value[]
}

export function encodeEvent({ name, fields }: KdcEvent): Uint8Array {
  return encode([0, name, ...fields])
}

/** A message of the KDC, an event or an answer. @throws OrthrusError `malformed` */
export function decodeFromKdc(bytes: Uint8Array): KdcEvent | KdcAnswer {
  const list = decode(bytes)
  if (list[0] === 0) return { name: textOf(list[1]), fields: list.slice(2) }
  return answerOf(list)
}

/**
 * The results of an answer.
 * @param kdc the URL of the KDC, for people. What it refuses for good, each of its realm refuses, so only what passes is said of it
 * @throws OrthrusError with the answer's code, final unless the code is transient
 */
export function resultsOf(answer: KdcAnswer, kdc?: string): readonly Value[] {
  if ('results' in answer) return answer.results
  const { code, message } = answer
  const final = !isTransient(code)
  const reason = final || kdc === undefined ? message : `the KDC at ${kdc} says: ${message}`
  throw new OrthrusError(code, reason, { final, ...(kdc === undefined ? {} : { kdc }) })
}

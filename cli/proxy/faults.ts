import type { ServerResponse } from 'node:http'
import { codeOf } from '../../shared/folder.node.js'
import { SECOND } from '../../shared/time.js'
import type { HeaderPair } from './header-rules.js'

/** Answers that a proxy gives by itself. Whoever reads them is a person, or a program that looks at the status. */

export interface Fault {
  readonly status: number
  /** For programs: the value of `orthrus-proxy`, which no answer has that another server wrote. */
  readonly word: string
  /** For people: what happened, and what to do. */
  readonly text: string
  /** For the log alone. */
  readonly detail?: string
  readonly headers?: Readonly<Record<string, string>>
}

export const FAULT_HEADER = 'orthrus-proxy'

/** Sends it in place of an answer that has not begun. */
export function answerFault(res: ServerResponse, fault: Fault, end = false): void {
  const body = faultBody(fault)
  res.writeHead(fault.status, {
    ...Object.fromEntries(faultHeaders(fault)),
    'content-length': Buffer.byteLength(body),
    ...(end ? { connection: 'close' } : {}),
  })
  res.end(res.req.method === 'HEAD' ? undefined : body)
}

export function faultBody({ text }: Fault): string {
  return `orthrus proxy: ${text}\n`
}

/** Without those that frame the body. */
export function faultHeaders({ word, headers = {} }: Fault): HeaderPair[] {
  return [
    ['content-type', 'text/plain; charset=utf-8'],
    ['cache-control', 'no-store'],
    [FAULT_HEADER, word],
    ...Object.entries(headers),
  ]
}

const MAY_BE_HANDLED = 'the request may have been handled'

/** The program behind the proxy could not be reached, or broke off. @param wasSent whether it may have the request */
export function unreachable(cause: unknown, wasSent: boolean): Fault {
  const detail = codeOf(cause) === 'unknown reason' && cause instanceof Error ? cause.message : codeOf(cause)
  if (codeOf(cause) === 'ETIMEDOUT' && !wasSent) {
    const text = 'the program behind it cannot be reached in time; nothing was sent to it'
    return { status: 504, word: 'upstream_timeout', text, detail }
  }
  const text = wasSent
    ? `the program behind it broke off without an answer; ${MAY_BE_HANDLED}`
    : 'the program behind it cannot be reached; nothing was sent to it'
  return { status: 502, word: wasSent ? 'upstream_broken' : 'upstream_unreachable', text, detail }
}

/** @param limit milliseconds */
export function tooSlow(limit: number): Fault {
  const text = `the program behind it gave no sign for ${limit / SECOND} s; ${MAY_BE_HANDLED}`
  return { status: 504, word: 'upstream_timeout', text, detail: 'silent' }
}

export function wrongAnswer(detail: string): Fault {
  const text = `the program behind it gave an answer that cannot be passed on: ${detail}; ${MAY_BE_HANDLED}`
  return { status: 502, word: 'upstream_wrong', text, detail }
}

/** @param limit bytes */
export function tooLong(limit: number): Fault {
  const text = `the answer of the program behind it is larger than ${limit} bytes, which are kept whole until they are proved: ask for a sealed one (sealed: true), or give the proxy a larger --max-response; ${MAY_BE_HANDLED}`
  return { status: 502, word: 'upstream_too_large', text, detail: `more than ${limit} bytes` }
}

export const FULL: Fault = {
  status: 503,
  word: 'upstream_busy',
  text: 'too many requests wait for the program behind it; nothing was sent to it: try again',
  detail: 'too many requests wait',
  headers: { 'retry-after': '1' },
}

export const CLIENT_BUSY: Fault = {
  status: 429,
  word: 'client_busy',
  text: 'too many requests of this client wait for the program behind it; nothing was sent to it: wait for some of their answers',
  detail: 'the client has its share of the connections, and too many requests wait',
  headers: { 'retry-after': '1' },
}

/** @param limit milliseconds */
export function clientSilent(limit: number): Fault {
  const text = `for ${limit / SECOND} s nothing came of the body of the request, or nothing of its answer was taken; ${MAY_BE_HANDLED}`
  return { status: 408, word: 'client_timeout', text, detail: 'the client neither sends nor takes anything' }
}

/** What the client told and what came are two lengths. */
export const OTHER_LENGTH: Fault = {
  status: 400,
  word: 'request_wrong',
  text: 'its body does not have the length that was told; the program behind got no whole request',
  detail: 'a body of another length than was told',
}

/** Node does not write it as a request. */
export function wrongRequest(cause: unknown): Fault {
  const detail = cause instanceof Error ? cause.message : 'unknown reason'
  const text = 'this request cannot be passed on as it is; nothing was sent to the program behind'
  return { status: 400, word: 'request_wrong', text, detail }
}

import type { RealmFetchInit } from '../../client/realm-options.js'
import { type ErrorCode, OrthrusError } from '../../shared/errors.js'
import { refusalIn, TOO_EARLY } from './refusal.js'
import type { Timeline } from './timeline.js'

/** What callers asked and learnt, what handlers did, and where the two disagree. */

/** One call of `realm.fetch`. */
export interface Asked {
  readonly id: number
  readonly client: string
  readonly service: string
  readonly method: string
  readonly target: string
  readonly body: string
  /** Whether it may be handled twice: GET, HEAD, and requests marked as repeatable. */
  readonly safe: boolean
  /** What was sent, in order. */
  readonly sent: { readonly target: string; readonly authorization: string }[]
  readonly handled: Handling[]
  /** The types and codes of all ERRORs that came, in order. */
  readonly heard: string[]
  /** The type and code of the ERROR that came last, whether genuine or forged. */
  refusal: string | undefined
  /** What its caller learnt. */
  told: string | undefined
  /** What the call failed with. */
  cause: unknown
  /** The caller learnt that it was not handled and never will be. */
  final: boolean
}

/** One run of a handler. */
export interface Handling {
  readonly number: number
  readonly asked: Asked | undefined
  readonly target: string
  readonly status: number
  /** Names the handling, and is covered by the proof. */
  readonly contentType: string
  readonly location: string | null
  readonly body: string
}

/** A request as a handler got it. */
export interface Arrived {
  readonly service: string
  readonly method: string
  readonly target: string
  readonly contentType: string | undefined
  readonly body: string
  readonly authorization: string
}

export type Kind = 'ok' | 'slow' | 'created' | 'empty' | 'missing' | 'broken' | 'throws' | 'moved'

/** The status that a handler gives to each kind of request. */
const STATUS: Readonly<Record<Kind, number>> = {
  ok: 200,
  slow: 200,
  created: 201,
  empty: 204,
  missing: 404,
  broken: 503,
  throws: 500,
  moved: 307,
}

export const CONTENT_TYPE = 'application/x-simulated'

/**
 * After which refusals a safe request is sent as a new one, and an unsafe one as the same bytes (docs/protocol.md
 * section 8).
 */
const NEW_IF_SAFE = /^06 (clock_skew, |ticket_expired$|revoked$|replay$)|^05 ticket_invalid$/
/** After which refusals an unsafe request may be sent as a new one, if the refusal was final. */
const NEW_IF_FINAL = /^06 (ticket_expired|revoked)$/
/** How often one URL may be sent in one call, including the first attempt (docs/protocol.md section 8). */
const ATTEMPTS = 2

export class Ledger {
  readonly #timeline: Timeline
  readonly #asked = new Map<number, Asked>()
  readonly #handled = new Map<string, Handling>()
  readonly #byContentType = new Map<string, Handling>()
  /** A service refused it in a way that cannot change. */
  readonly #refused = new Map<string, string>()
  readonly #lines: string[] = []
  readonly counts = new Map<string, number>()
  readonly violations: string[] = []

  constructor(timeline: Timeline) {
    this.#timeline = timeline
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1)
  }

  note(line: string): void {
    this.#lines.push(`${(this.#timeline.now / 1000).toFixed(3).padStart(10)}  ${line}`)
  }

  /** Reports that an invariant does not hold. */
  violate(what: string): void {
    this.note(`*** ${what}`)
    this.violations.push(what)
  }

  get lines(): readonly string[] {
    return this.#lines
  }

  get all(): Iterable<Asked> {
    return this.#asked.values()
  }

  ask(about: Pick<Asked, 'client' | 'service' | 'method' | 'body' | 'safe'> & { kind: Kind }): Asked {
    const id = this.#asked.size + 1
    const { kind, body, ...rest } = about
    const target = `/${kind}?id=${id}`
    const told = body === '' ? '' : `${id} ${body}`
    const asked: Asked = {
      ...rest,
      id,
      target,
      body: told,
      sent: [],
      handled: [],
      heard: [],
      refusal: undefined,
      told: undefined,
      cause: undefined,
      final: false,
    }
    this.#asked.set(id, asked)
    this.note(`#${id} ${asked.client} asks ${asked.service}: ${asked.method} ${target}`)
    return asked
  }

  /** A request went out. */
  sent(url: URL, init: RealmFetchInit, authorization: string): Asked {
    const asked = this.#asked.get(Number(url.searchParams.get('id')))
    if (asked === undefined) throw new Error(`nobody asked for ${url.href}`)
    const target = url.pathname + url.search
    asked.sent.push({ target, authorization })
    this.note(`#${asked.id} goes out as ${tagOf(authorization)} ${init.method} ${target}`)
    const same = asked.sent.filter(one => one.target === target)
    const before = same.at(-2)?.authorization
    if (before !== undefined) this.#sentAgain(asked, before, authorization)
    if (same.length > ATTEMPTS) this.violate(`attempts: #${asked.id} went out ${same.length} times`)
    if (asked.told !== undefined) this.violate(`attempts: #${asked.id} goes out though its call is over`)
    return asked
  }

  /** Something was sent again, and the table must have a reason for it. */
  #sentAgain(asked: Asked, before: string, authorization: string): void {
    const { id, refusal = 'no refusal', safe } = asked
    const sameBytes = before === authorization
    this.#row(asked, sameBytes ? 'the same bytes' : 'a new request')
    const how = `${sameBytes ? 'as the same bytes' : 'as a new request'}, ${safe ? 'safe' : 'not safe'}`
    const wrong = `attempts: #${id} went out again ${how}, after ${refusal}`
    if (sameBytes) {
      if (safe || refusal !== TOO_EARLY) this.violate(wrong)
    } else if (!(safe ? NEW_IF_SAFE : NEW_IF_FINAL).test(refusal)) this.violate(wrong)
    // What the client believes is compared with what the service did with the bytes that were sent before.
    else if (!safe && !this.#refused.has(before)) this.violate(`${wrong}, which was not final`)
  }

  /**
   * A handler was reached.
   * @returns what it is to answer
   */
  handle(arrived: Arrived): Handling {
    const { method, target, authorization } = arrived
    const url = new URL(target, 'http://any.test')
    const asked = this.#asked.get(Number(url.searchParams.get('id')))
    const kind = url.pathname.slice(1) as Kind
    const handling = answerOf(this.#handled.size + 1, kind, asked, target)
    this.note(`#${asked?.id} is handled by ${arrived.service}: ${tagOf(authorization)} ${method} ${target}`)
    const before = this.#handled.get(authorization)
    if (before !== undefined) this.violate(`handled twice: one AP-REQ, of #${asked?.id}`)
    const refused = this.#refused.get(authorization)
    if (refused !== undefined) this.violate(`handled after ${refused}, which is final: #${asked?.id}`)
    this.#handled.set(authorization, handling)
    if (handling.status !== STATUS.throws) this.#byContentType.set(handling.contentType, handling)
    if (asked === undefined || !isAsAsked(arrived, asked)) {
      this.violate(`handled what nobody sent: ${JSON.stringify(arrived)}`)
      return handling
    }
    asked.handled.push(handling)
    if (!asked.safe && asked.handled.length > 1) {
      this.violate(`handled twice: #${asked.id}, a ${method} that is not safe`)
    }
    if (asked.final && asked.sent.at(-1)?.target === target) {
      this.violate(`told wrong: #${asked.id} is handled, and its caller was told that it never would be`)
    }
    return handling
  }

  isHandled(authorization: string): boolean {
    return this.#handled.has(authorization)
  }

  /**
   * A service refused a request, and proved it.
   * @param final whether by the protocol it can never handle these bytes
   */
  refused(authorization: string, code: ErrorCode, final: boolean): void {
    this.note(`${tagOf(authorization)} is refused: ${code}${final ? ', for good' : ''}`)
    if (!final) return
    const handled = this.#handled.get(authorization)
    if (handled !== undefined) this.violate(`refused for good after it was handled: #${handled.asked?.id}`)
    this.#refused.set(authorization, code)
  }

  /** An answer came to a client. @param headers as the client reads them; undefined if the answer was not whole */
  received(asked: Asked, headers: Headers | undefined): void {
    asked.refusal = headers && refusalIn(headers, asked.sent.at(-1)?.authorization ?? '')
    if (asked.refusal === undefined) return
    asked.heard.push(asked.refusal)
    this.note(`#${asked.id} hears ${asked.refusal}`)
  }

  /** Counts what a client did with an ERROR (docs/protocol.md section 8, the table). */
  #row({ refusal, safe }: Asked, done: string): void {
    this.count(`the table: ${refusal}, ${safe ? 'safe' : 'not safe'}: ${done}`)
  }

  /** A call succeeded, as its caller believes. */
  async succeeded(asked: Asked, response: Response): Promise<void> {
    const contentType = response.headers.get('content-type') ?? ''
    const body = await response.text()
    const { status } = response
    this.#end(asked, `${status}`)
    const handling =
      this.#byContentType.get(contentType) ?? asked.handled.find(({ status }) => status === STATUS.throws)
    const expected = asked.method === 'HEAD' || handling?.status === 204 ? '' : handling?.body
    const location = response.headers.get('location')
    const right =
      handling !== undefined &&
      handling.asked === asked &&
      handling.contentType === contentType &&
      handling.status === status &&
      expected === body &&
      handling.location === location
    if (right) return
    this.violate(
      `wrong answer: #${asked.id} got ${status} ${contentType} ${location} ${JSON.stringify(body)}, which its handler did not give`,
    )
  }

  /**
   * A call failed.
   * @param own whether its caller gave up
   */
  failed(asked: Asked, cause: unknown, own: unknown): void {
    asked.cause = cause
    if (cause === own) {
      this.#end(asked, 'given up')
      return
    }
    if (!(cause instanceof OrthrusError)) {
      this.#end(asked, String(cause))
      this.violate(`told wrong: #${asked.id} failed with ${String(cause)}`)
      return
    }
    const { code, final, facts } = cause
    const claimed = facts.claimed === undefined ? '' : ` ${facts.claimed}`
    this.#end(asked, `${code}${claimed}${final ? ', final' : ''}`)
    asked.final = final
    if (asked.refusal?.slice(3).startsWith(facts.claimed ?? code)) this.#row(asked, 'to the caller')
    const last = asked.sent.at(-1)?.target
    if (final && asked.handled.some(({ target }) => target === last)) {
      this.violate(`told wrong: #${asked.id} was handled, and its caller is told that it was not`)
    }
    if (!final && asked.handled.length > 0) this.count('told: it may have been handled, and it was')
  }

  #end(asked: Asked, told: string): void {
    const sent = asked.sent.length
    const twice = asked.told === undefined ? '' : ' once more'
    this.note(`#${asked.id} ends${twice}: ${told}, sent ${sent}, handled ${asked.handled.length}`)
    if (twice !== '') this.violate(`ended twice: #${asked.id}`)
    asked.told = told
    const group = /^\d/.test(told) ? 'an answer' : told
    this.count(`told: ${group} (${asked.safe ? 'safe' : 'not safe'})`)
  }
}

/** A few letters by which a person recognises the same bytes. */
export function tagOf(authorization: string): string {
  return `<${authorization.slice(-8)}>`
}

function isAsAsked(arrived: Arrived, asked: Asked): boolean {
  const { service, method, target, contentType, body } = arrived
  const targets = [asked.target, `/ok?id=${asked.id}`]
  return (
    service === asked.service &&
    method === asked.method &&
    (asked.target.startsWith('/moved') ? targets.includes(target) : target === asked.target) &&
    body === asked.body &&
    contentType === (asked.body === '' ? undefined : CONTENT_TYPE)
  )
}

function answerOf(number: number, kind: Kind, asked: Asked | undefined, target: string): Handling {
  const threw = kind === 'throws'
  return {
    number,
    asked,
    target,
    status: STATUS[kind] ?? 404,
    contentType: threw ? 'text/plain; charset=utf-8' : `text/plain; handling=${number}`,
    location: kind === 'moved' ? `/ok?id=${asked?.id}` : null,
    body: threw ? 'internal error\n' : `the answer to #${asked?.id}, by handling ${number}`,
  }
}

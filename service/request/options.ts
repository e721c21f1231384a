import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Value } from '../../shared/encoding/encoding.js'
import { furtherHeadersOf } from '../../shared/http/further-option.js'
import { type KnownOptions, requireKnownOptions } from '../../shared/options.js'
import { quoted } from '../../shared/shown-text.js'
import type { CaveatChecker } from '../../shared/ticket/caveats.js'
import type { Checkers, Gate } from './authorise.js'
import { refuseMisplaced } from './misplaced-options.js'
import type { RefusedRequest } from './refuse.js'
import { createRequirement, REQUIREMENT_OPTIONS, type RequirementOptions } from './requirements.js'
import { partsOf, type Service, type ServiceParts } from './service.js'

const MAX_BODY = 1024 * 1024
const MAX_RESPONSE = 8 * 1024 * 1024

export type CaveatValue = Value

/** Whether the caveat holds for the request: only `true` says so. An exception counts as false. */
export type AppCaveatChecker<Req = IncomingMessage> = (value: CaveatValue, req: Req) => boolean

/** What an application answers with, where its server has such a thing. */
export type ResponseFor<Req> = Req extends IncomingMessage ? ServerResponse : undefined

/** `Req` is the request as the server has it: of `node:http`, or the web's `Request`. */
export interface RequireTicketOptions<Req = IncomingMessage> extends RequirementOptions {
  /** What `loadService` gave. */
  readonly service: Service
  /** Checkers of `app` caveats by name. A caveat without one fails. Default: none. */
  readonly caveats?: Readonly<Record<string, AppCaveatChecker<Req>>>
  /**
   * Further headers that each request must cover, such as `['idempotency-key']`; else it is refused as `binding_mismatch`.
   * A covered header can be missing, but then its client left it out (docs/protocol.md section 8, Further headers).
   * Default: none.
   */
  readonly requireCovered?: readonly string[]
  /**
   * Further headers of responses that are proved to clients, such as `['etag', 'set-cookie']`. Each response names them in
   * the header `orthrus-covered`. Default: none.
   */
  readonly coverResponseHeaders?: readonly string[]
  /** The largest body of a request, bytes. Default 1 MiB. */
  readonly maxBody?: number
  /** The largest body of a response, bytes: it is kept until it is complete. Default 8 MiB. */
  readonly maxResponse?: number
  /**
   * Seals every response to a client that reads sealed ones. Default false: those that the handler writes in pieces, and
   * whatever is answered to a client that takes no others (docs/protocol.md section 8, Sealed bodies).
   */
  readonly sealResponses?: boolean
  /**
   * Lets sealed bodies and sealed responses go on when a ticket of the request has ended; when one is revoked they end
   * anyway. Default false: they end with the first of their tickets (docs/protocol.md section 8, Sealed bodies).
   */
  readonly streamsOutliveTickets?: boolean
  /**
   * Lets requests without a ticket pass, whatever else is required, as long as clients have still to move: **anybody may
   * call**. They have no ticket: `ticketIfAny` is undefined, `ticketOf` throws, the response carries no proof. Whoever
   * presents a ticket, be it a bad one or a part of one, is checked in full. What passed is counted and logged by the
   * address that it came from: `service.state.withoutTicket` (docs/adopting.md). Default false.
   */
  readonly permitWithoutTicket?: boolean
  /**
   * The address that a request without a ticket is counted under. Default: that of the connection, which behind a proxy is
   * the proxy's. A header is a claim of whoever wrote it. Used for `permitWithoutTicket` alone.
   * @param context what the framework gives beside the request: of Hono its context, of Deno and Bun their second argument
   */
  readonly addressOf?: (req: Req, context: never) => string | undefined
  /**
   * Called for each request that is refused. It may answer: `res` has the status and headers of the refusal, and what it
   * writes, before it returns or its promise resolves, goes out with these headers whatever it does to them; a status below
   * 300 becomes that of the refusal. If it writes nothing, the refusal is answered as usual. A request whose handler had
   * begun, under a ticket that was then revoked, is answered before it is called.
   */
  readonly onRefused?: (refused: RefusedRequest, req: Req, res: ResponseFor<Req>) => unknown
}

/** The options that every gate has; the adapter of a server may have more. */
export const KNOWN_BY_GATES: KnownOptions<RequireTicketOptions<never>> = {
  service: true,
  ...REQUIREMENT_OPTIONS,
  caveats: true,
  requireCovered: true,
  coverResponseHeaders: true,
  maxBody: true,
  maxResponse: true,
  sealResponses: true,
  streamsOutliveTickets: true,
  permitWithoutTicket: true,
  addressOf: true,
  onRefused: true,
}

/** The options of one `requireTicket`, checked and complete. */
export interface TicketGate<Req = IncomingMessage> extends Gate {
  readonly options: RequireTicketOptions<Req>
  /** Further headers of responses that are covered, in lower case and ascending order. */
  readonly coverResponse: readonly string[]
  /** Bytes. */
  readonly maxResponse: number
  readonly sealResponses: boolean
  readonly streamsOutliveTickets: boolean
  /** Whether a request that presents nothing of Orthrus passes. */
  readonly permitsWithoutTicket: boolean
}

/** @throws TypeError if an option does not exist, or cannot be meant so */
export function createGate<Req = IncomingMessage>(
  options: RequireTicketOptions<Req>,
  known: KnownOptions<RequireTicketOptions<never>> = KNOWN_BY_GATES,
): TicketGate<Req> {
  refuseMisplaced(options)
  requireKnownOptions<RequireTicketOptions<never>>('requireTicket', options, known)
  const service = partsOf(options.service)
  const { maxBody = MAX_BODY, maxResponse = MAX_RESPONSE, caveats, onRefused } = options
  for (const [name, value] of Object.entries({ maxBody, maxResponse })) {
    if (!Number.isSafeInteger(value) || value < 0) throw new TypeError(`${name} is a number of bytes`)
  }
  requireHooks({ caveats, onRefused, addressOf: options.addressOf })
  const { sealResponses = false, streamsOutliveTickets = false, permitWithoutTicket = false } = options
  for (const [name, value] of Object.entries({ sealResponses, streamsOutliveTickets, permitWithoutTicket })) {
    if (typeof value !== 'boolean') throw new TypeError(`${name} is true or false`)
  }
  const requirement = createRequirement(options, service.principal)
  const requireCovered = furtherHeadersOf('requireCovered', options.requireCovered ?? [])
  const coverResponse = coveredOfResponses(options.coverResponseHeaders ?? [])
  const gate = { options, service, requirement, requireCovered, coverResponse }
  if (permitWithoutTicket) service.withoutTicket.permit()
  const permitsWithoutTicket = permitWithoutTicket
  return { ...gate, maxBody, maxResponse, sealResponses, streamsOutliveTickets, permitsWithoutTicket }
}

/** @throws TypeError if one of the owner's functions is none */
export function requireHooks({
  caveats = {},
  onRefused,
  addressOf,
}: {
  readonly caveats?: object | undefined
  readonly onRefused?: unknown
  readonly addressOf?: unknown
}): void {
  for (const [name, checker] of Object.entries(caveats)) {
    if (typeof checker !== 'function') throw new TypeError(`the checker of ${quoted(name)} is a function`)
  }
  for (const [name, hook] of Object.entries({ onRefused, addressOf })) {
    if (hook !== undefined && typeof hook !== 'function') throw new TypeError(`${name} is a function`)
  }
}

/** Of an answer that the handler gave no date, Node writes one when it sends it. */
const ADDED_BY_NODE = 'date'

function coveredOfResponses(given: readonly string[]): readonly string[] {
  const names = furtherHeadersOf('coverResponseHeaders', given)
  if (!names.includes(ADDED_BY_NODE)) return names
  throw new TypeError('coverResponseHeaders names "date", which Node fills in when the response is sent')
}

/** An asynchronous function of the owner's must not end the process when it fails, since nobody waits for it. */
function catchLater(result: unknown, fail: (err: unknown) => void): void {
  if (typeof result === 'object' && result !== null && 'then' in result) Promise.resolve(result).catch(fail)
}

/** The part of a gate that calls functions of its owner. */
export interface Hooks<Req> {
  readonly options: Pick<RequireTicketOptions<Req>, 'caveats' | 'onRefused' | 'addressOf'>
  readonly service: ServiceParts
}

/** Tells the owner that a request was refused, after it was answered. */
export function tellRefused<Req>(
  { options, service }: Hooks<Req>,
  refused: RefusedRequest,
  req: Req,
  res?: ResponseFor<Req>,
): void {
  const fail = (err: unknown): void => service.report({ kind: 'hook_failed', hook: 'onRefused', err })
  try {
    catchLater(options.onRefused?.(refused, req, res as ResponseFor<Req>), fail)
  } catch (err) {
    fail(err)
  }
}

/** What the owner's function says, which anybody may have written. */
export function addressFor<Req>(
  { options, service }: Hooks<Req>,
  req: Req,
  context: unknown,
): string | undefined {
  try {
    const address: unknown = options.addressOf?.(req, context as never)
    return typeof address === 'string' && address !== '' ? address : undefined
  } catch (err) {
    service.report({ kind: 'hook_failed', hook: 'addressOf', err })
    return undefined
  }
}

const NO_CHECKERS: Checkers = new Map()

/** What `acceptRequest` asks about `app` caveats of this request. */
export function checkersFor<Req>({ options, service }: Hooks<Req>, req: Req): Checkers {
  if (options.caveats === undefined) return NO_CHECKERS
  const checkers = new Map<string, CaveatChecker>()
  for (const [name, checker] of Object.entries(options.caveats)) {
    const fail = (err: unknown): void => service.report({ kind: 'hook_failed', hook: `caveats.${name}`, err })
    checkers.set(name, value => {
      try {
        const holds: unknown = checker(value, req)
        catchLater(holds, fail)
        return holds === true
      } catch (err) {
        fail(err)
        return false
      }
    })
  }
  return checkers
}

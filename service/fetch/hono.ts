import type { Header } from '../request/message.js'
import { isApplications } from '../response/rendered.js'
import { answerCors, standingHeaders, withHeaders } from './cors.js'
import { passGate } from './guard.js'
import type { FetchGate } from './options.js'
import { requireRequest } from './web-request.js'
import { isResponse } from './web-response.js'
import { countingNext, mayPresentTicket, passesWithoutTicket } from './without-ticket.js'

/** As much of Hono's context as its middleware needs. */
export interface HonoContext {
  readonly req: { raw: Request }
  get res(): Response
  set res(response: Response | undefined)
}

export type HonoNext = () => Promise<void>

export interface HonoMiddleware {
  (context: HonoContext, next: HonoNext): Promise<void>
  /**
   * Middleware that lets `other` decide on a request that presents no ticket, as one with an API key. Whoever presents a
   * ticket, be it a bad one, is checked in full and never falls through to `other`. What `other` lets pass has no ticket:
   * `ticketIfAny(c.req.raw)` is undefined there, and its response carries no proof. With `permitWithoutTicket` it is
   * counted.
   * @throws TypeError if `other` is no function
   */
  or<Context extends HonoContext, Answer>(
    other: (context: Context, next: HonoNext) => Promise<Answer>,
  ): (context: Context, next: HonoNext) => Promise<Answer | undefined>
}

export function createMiddleware(gate: FetchGate): HonoMiddleware {
  const middleware = (context: HonoContext, next: HonoNext): Promise<void> => {
    requireRequest(context?.req?.raw)
    if (isAnsweredToBrowser(gate, context)) return Promise.resolve()
    const { raw } = context.req
    if (passesWithoutTicket(gate, raw, context)) return byOther(context, standingHeaders(gate, raw), next)
    return beforeNext(gate, context, next)
  }
  const or: HonoMiddleware['or'] = other => {
    if (typeof other !== 'function') throw new TypeError('requireTicket.or takes middleware')
    return async (context, next) => {
      requireRequest(context?.req?.raw)
      if (isAnsweredToBrowser(gate, context)) return undefined
      const { raw } = context.req
      if (!mayPresentTicket(raw)) {
        const counting = countingNext(gate, raw, context, next)
        return await byOther(context, standingHeaders(gate, raw), () => other(context, counting))
      }
      await beforeNext(gate, context, next)
      return undefined
    }
  }
  return Object.assign(middleware, { or })
}

function isAnsweredToBrowser(gate: FetchGate, context: HonoContext): boolean {
  const answer = answerCors(gate, context.req.raw)
  if (answer !== undefined) context.res = answer
  return answer !== undefined
}

/** What something else answers, or lets be answered, or throws for Hono to answer. */
async function byOther<Answer>(
  context: HonoContext,
  standing: readonly Header[],
  answerOf: () => Promise<Answer>,
): Promise<Answer> {
  if (standing.length === 0) return await answerOf()
  try {
    const answer = await answerOf()
    if (isResponse(answer)) return withHeaders(answer, standing) as Answer
    replaceResponse(context, withHeaders(context.res, standing))
    return answer
  } catch (cause) {
    for (const [name, value] of standing) context.res.headers.set(name, value)
    throw cause
  }
}

/** Hono adds the headers of a response to the one that replaces it, unless there is none. */
function replaceResponse(context: HonoContext, response: Response): void {
  context.res = undefined
  context.res = response
}

/** Refusals as Hono was given them. */
const refusals = new WeakSet<Response>()

/** Hono routes by the request that came, and what comes next reads the one that was verified. */
async function beforeNext(gate: FetchGate, context: HonoContext, next: HonoNext): Promise<void> {
  let hasRun = false
  const response = await passGate(gate, context.req.raw, async request => {
    hasRun = true
    context.req.raw = request
    await next()
    return context.res
  })
  // By this gate, or by one further in.
  if (!hasRun || refusals.has(context.res)) {
    keepHeaders(context.res.headers, response.headers)
    refusals.add(response)
  }
  replaceResponse(context, response)
}

/** What middleware in front has set belongs to a refusal too, or a page of another origin could not see that it is one. */
function keepHeaders(before: Headers, refusal: Headers): void {
  const own = new Set(refusal.keys())
  for (const [name, value] of before) if (!own.has(name) && isApplications(name)) refusal.append(name, value)
}

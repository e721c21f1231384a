import {
  decodeRefusalQuestion,
  encodeRefusals,
  type FoundRefusals,
  type KeptRefusal,
  type RefusalQuestion,
} from '../../shared/administration/refusals.js'
import type { WireCode } from '../../shared/errors.js'
import type { Pattern } from '../../shared/pattern.js'
import type { Principal } from '../../shared/principal.js'
import { mayAdminister } from '../issue/ownership.js'
import { LOG_SEARCH_REACH } from '../limits/defaults.js'
import { searchRefusals } from '../report/audit/refusal-search.js'
import { toldRefusal } from '../report/audit/told-refusal.js'
import { type AdminContext, actorOf } from './context.js'
import { type Method, method } from './method.js'
import { rowsOwned } from './owners.js'
import { type Caller, isAdministrator } from './role.js'

/** `refusal`: what was refused under an id, as far as it is remembered or in the audit log. */

/**
 * An administrator is told all of it, a client what was refused to it, an owner what was refused about its services.
 * Nobody else learns whether there was such a refusal: the log is gone through as far as for one that is in none.
 * @throws OrthrusError `rate_limited`
 */
async function refusalsWith(context: AdminContext, question: RefusalQuestion): Promise<FoundRefusals> {
  const { id, before } = question
  await tellReading(context, question)
  const view = await viewOf(context)
  const remembered = before === null ? rememberedFor(context, id) : []
  const told = await toldOf(remembered, view)
  return told.length > 0 ? { refusals: told, next: null, since: null } : inLog(context, question, view)
}

/** What the caller is told of a refusal; `undefined` for nothing. */
type View = (refusal: KeptRefusal) => Promise<KeptRefusal | undefined>

async function viewOf(context: AdminContext): Promise<View> {
  const { caller, realm } = context
  if (caller === undefined || isAdministrator(caller.claims)) return async refusal => refusal
  // What was refused to another principal, which had this name before it, is none of its own.
  const since = isItself(caller, caller.client)
    ? (await realm.directory.principal(caller.client))?.createdAt
    : undefined
  const isOwned = mayAdminister(caller.claims) ? await rowsOwned(context) : undefined
  return async refusal => {
    const { client, service, at, code, reason } = refusal
    if (since !== undefined && client === caller.client && at >= since)
      return { ...refusal, reason: toldReason(code, reason) }
    const isOwn = service !== null && isOwned !== undefined && (await isOwned(patternOf(service)))
    return isOwn ? refusal : undefined
  }
}

function rememberedFor({ realm: { refusals }, caller }: AdminContext, id: string): KeptRefusal[] {
  // Going through all that is remembered is for those who may see what was refused to others.
  return caller === undefined || mayAdminister(caller.claims)
    ? refusals.find(id)
    : refusals.findOf(caller.client, id)
}

async function toldOf(refusals: readonly KeptRefusal[], view: View): Promise<KeptRefusal[]> {
  return (await Promise.all(refusals.map(view))).flatMap(told => told ?? [])
}

async function inLog(
  { audit, caller, rates }: AdminContext,
  { id, before }: RefusalQuestion,
  view: View,
): Promise<FoundRefusals> {
  if (audit === undefined) return { refusals: [], next: null, since: null }
  const isLimited = caller !== undefined && !isAdministrator(caller.claims)
  if (isLimited) rates?.requireLogSearch(caller.client)
  const refusals: KeptRefusal[] = []
  const { next, since } = await searchRefusals(audit.directory, id, {
    before,
    reach: isLimited ? LOG_SEARCH_REACH : Number.POSITIVE_INFINITY,
    passes: async line => {
      const refusal = toldRefusal(line)
      const told = refusal && (await view(refusal))
      if (told !== undefined) refusals.push(told)
      return told !== undefined
    },
  })
  return { refusals, next, since }
}

/**
 * That somebody reads what was refused to others is in the log, once for all pages. Whoever asks about itself alone
 * writes no line: it could push its traces out of the log by asking.
 */
async function tellReading(context: AdminContext, { id, before }: RefusalQuestion): Promise<void> {
  const { report, calling, caller } = context
  if (caller !== undefined && !mayAdminister(caller.claims)) return
  if (before !== null && calling?.readings.has(REFUSAL) === true) return
  await report.record({ kind: 'records_read', ...actorOf(context), method: REFUSAL, on: [id] })
  calling?.readings.add(REFUSAL)
}

const REFUSAL = 'refusal'

/** Whether it asks about itself, with a whole ticket of its own. */
export function isItself({ client, via, caveats }: Caller, principal: Principal): boolean {
  return client === principal && via === undefined && caveats.length === 0
}

/** Whether a service is missing, disabled, or without a key is not told to a client that asks for a ticket either. */
export function toldReason(code: WireCode | null, reason: string): string {
  return code === 'unknown_service' ? UNKNOWN : reason
}

const UNKNOWN = 'there is no such service, or it is disabled, has expired or has no key'

export function patternOf(principal: Principal): Pattern {
  return principal as string as Pattern
}

export const REFUSAL_METHODS = {
  refusal: method({
    callers: 'concerned',
    reads: false,
    decode: decodeRefusalQuestion,
    run: async (context, question) => encodeRefusals(await refusalsWith(context, question)),
  }),
} satisfies Record<string, Method>

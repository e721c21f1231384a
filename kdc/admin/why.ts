import type { FollowerRow } from '../../shared/administration/revocations.js'
import {
  decodeWhyQuestion,
  encodeWhy,
  type Why,
  type WhyParty,
  type WhyQuestion,
  type WhyScope,
} from '../../shared/administration/why.js'
import { SIZE } from '../../shared/constants.js'
import { LongTermKey } from '../../shared/crypto/keys.js'
import { OrthrusError } from '../../shared/errors.js'
import { type Principal, ticketGrantingService } from '../../shared/principal.js'
import { type Explained, explain } from '../issue/explain.js'
import { mayAdminister } from '../issue/ownership.js'
import { groupsOf, lookUpServices } from '../issue/service-tickets.js'
import { RULES_KEPT } from '../limits/defaults.js'
import { dueOf, keyLife } from '../realm/key-changes.js'
import { newPrincipal } from '../realm/principal.js'
import { hasPassword } from '../realm/principal-keys.js'
import type { RevocationLog } from '../realm/revocation-log.js'
import type { PrincipalRecord } from '../vault/records.js'
import { type AdminContext, requireOwnRealm } from './context.js'
import { type Method, method } from './method.js'
import { rowsOwned } from './owners.js'
import { isItself, patternOf, toldReason } from './refusals.js'
import { isAdministrator } from './role.js'

/** `why`: explains a decision before it is met, from the records that an exchange would decide from. */

/**
 * An administrator is told everything. An owner of the service is told how it is decided for a client that can log in,
 * and nothing else about the client. A client that asks for itself is told the decision, the rule that makes it and the ticket that it would get,
 * and nothing about the service that it could not find out by asking for a ticket.
 * @throws OrthrusError `not_authorized`; `malformed` for principals of another realm
 */
export async function why(context: AdminContext, question: WhyQuestion): Promise<Why> {
  const { realm } = context
  const { client: clientName, service, method, path } = question
  requireOwnRealm(context, clientName)
  requireOwnRealm(context, service)
  const scope = await scopeOf(context, question)
  const { directory, record, random } = realm
  const now = question.at ?? realm.time.now()
  const client = await directory.principal(clientName)
  const asking = { name: clientName, groups: groupsOf(client) }
  const [granting, [requested]] = await Promise.all([
    directory.principal(ticketGrantingService(record.realm)),
    lookUpServices(directory.view(), asking, [service]),
  ])
  if (granting === undefined || requested === undefined)
    throw new OrthrusError('unavailable', 'the realm has no krbtgt any more')
  const weighed = scope === 'service' ? standIn(context, asking, now) : client
  // A rule for several services counts them together, which is no business of the owner of one; and nobody knows what
  // will have been counted at another time.
  const rates = scope === 'service' || question.at !== null ? undefined : context.rates
  const explained = explain(
    { realm: record, granting, clientName, client: weighed, requested, now, method, path, rates },
    random,
  )
  const parties = {
    client: scope === 'service' ? undefined : client,
    service: scope === 'client' ? undefined : requested.record,
  }
  return {
    at: now,
    scope,
    ...TOLD[scope](explained),
    ...(await partiesOf(context, parties, scope !== 'client')),
    // A principal may know from where it is followed itself: a second address is a second process under its key.
    followers: scope !== 'client' || service === clientName ? followersOf(context, service) : [],
    endedSince: scope === 'client' ? null : Math.max(0, realm.time.now() - RULES_KEPT),
  }
}

/** @throws OrthrusError `not_authorized` */
async function scopeOf(context: AdminContext, { client, service }: WhyQuestion): Promise<WhyScope> {
  const { caller } = context
  if (caller === undefined || isAdministrator(caller.claims)) return 'everything'
  if (mayAdminister(caller.claims) && (await (await rowsOwned(context))(patternOf(service)))) return 'service'
  if (isItself(caller, client)) return 'client'
  const { client: principal } = caller
  throw new OrthrusError(
    'not_authorized',
    `${principal} may ask this only for itself, with its own whole ticket`,
    {
      principal,
      hint: `an administrator may ask for everyone; to make one, run: orthrus admin allow ${principal} kdc --claim role=admin`,
    },
  )
}

const TOLD: Readonly<Record<WhyScope, (explained: Explained) => Explained>> = {
  everything: explained => explained,
  service: explained => explained,
  client: withoutSecondHand,
}

/**
 * A client that can log in, in the same groups, in place of the one that there may be. An owner may allow any name, and
 * would learn from the answer which names there are.
 */
function standIn(
  { realm: { random } }: AdminContext,
  { name, groups }: Asking,
  now: number,
): PrincipalRecord {
  const key = new LongTermKey(random(SIZE.KEY))
  return { ...newPrincipal({ name, key, now, random }), groups }
}

type Asking = Pick<PrincipalRecord, 'name' | 'groups'>

/** Whether a service is missing, disabled, or without a key is not told to a client that asks for a ticket either. */
function withoutSecondHand(explained: Explained): Explained {
  const { code, reason, rules } = explained
  return {
    ...explained,
    reason: toldReason(code, reason),
    rules: rules.filter(({ fate }) => fate === 'decides'),
  }
}

interface Records {
  readonly client: PrincipalRecord | undefined
  readonly service: PrincipalRecord | undefined
}

async function partiesOf(
  { realm }: AdminContext,
  { client, service }: Records,
  isLogRead: boolean,
): Promise<Pick<Why, 'client' | 'service'>> {
  const names = [client, service].flatMap(party => (party === undefined ? [] : [party.name]))
  // Reading the log is too much work for whoever has a ticket.
  const found = await lastRevocations(realm.revocations, new Set(isLogRead ? names : []))
  const partyOf = (record: PrincipalRecord | undefined): WhyParty | null =>
    record === undefined
      ? null
      : {
          keys: record.keys.map(({ kvno, state, createdAt }) => ({ kvno, state, createdAt })),
          due: dueOf(record, keyLife(realm.record.rotation, record.name)),
          passwordBased: hasPassword(record),
          disabled: record.disabled,
          expiresAt: record.expiresAt,
          revokedAt: found.get(record.name)?.at ?? null,
          revokedKvno: found.get(record.name)?.kvno ?? null,
        }
  return { client: partyOf(client), service: partyOf(service) }
}

interface LastRevocation {
  readonly at: number | null
  readonly kvno: number | null
}

/** How many entries of the log are read at a time, and at most. */
const PAGE = 256
const ENTRIES = 10_000

/** What the newest entries of the log revoke of each principal. */
async function lastRevocations(
  log: RevocationLog,
  names: ReadonlySet<Principal>,
): Promise<ReadonlyMap<Principal, LastRevocation>> {
  const found = new Map<Principal, LastRevocation>()
  if (names.size === 0) return found
  const first = Math.max(log.oldest, log.newest - ENTRIES + 1)
  for (let from = first; from <= log.newest; from += PAGE) {
    for (const { principal, kind, by, time } of await log.entries(from, PAGE)) {
      if (principal === null || !names.has(principal)) continue
      const before = found.get(principal)
      const at = kind === 'client' ? time : (before?.at ?? null)
      found.set(principal, { at, kvno: kind === 'key' ? by : (before?.kvno ?? null) })
    }
  }
  return found
}

function followersOf({ realm }: AdminContext, service: Principal): FollowerRow[] {
  return realm.feed.rows().rows.filter(({ principal }) => principal === service)
}

export const WHY_METHODS = {
  why: method({
    callers: 'concerned',
    reads: true,
    decode: decodeWhyQuestion,
    run: async (context, question) => encodeWhy(await why(context, question)),
  }),
} satisfies Record<string, Method>

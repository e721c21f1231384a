import type { PolicyRule } from '../../shared/administration/rule.js'
import { malformed, OrthrusError } from '../../shared/errors.js'
import type { Pattern } from '../../shared/pattern.js'
import { isReserved, localPart, type Principal, realmOf } from '../../shared/principal.js'
import type { Follower, FollowingChannel } from '../feed/follower.js'
import type { RateLimits } from '../limits/rate-limits.js'
import { policyName } from '../realm/directory.js'
import type { OpenRealm } from '../realm/realm.js'
import type { RealmWriter } from '../realm/realm-writer.js'
import { changeReported, type ReportedChange } from '../realm/reported-change.js'
import { readStoredPrincipal, type Versioned } from '../realm/stored-principal.js'
import type { Audit } from '../report/audit/audit.js'
import type { Actor } from '../report/events.js'
import type { Report } from '../report/report.js'
import { RECORD_KIND } from '../store/store.js'
import { HeldBackup } from '../upkeep/held-backup.js'
import { decodePolicyRecord, type PrincipalRecord } from '../vault/records.js'
import { actorsOf, type Caller } from './role.js'

export type { ReportedChange } from '../realm/reported-change.js'
export { type Versioned, writePrincipal } from '../realm/stored-principal.js'

/** The channel that a call came over. */
export interface CallingChannel {
  readonly channel: FollowingChannel
  /** Of the client's ticket. */
  readonly ticketId: Uint8Array
  /** Set once the channel follows the revocation log. */
  follower: Follower | undefined
  /** The methods by which the audit log was read over the channel. */
  readonly readings: Set<string>
}

/** What a method of `kdc@realm` needs to answer one caller. */
export interface AdminContext {
  /** Changes go through `changeRealm`. */
  readonly realm: Omit<OpenRealm, 'writer'>
  readonly report: Report
  /** `undefined` if the KDC keeps no audit log. */
  readonly audit?: Audit | undefined
  /** `undefined` where nothing is counted. */
  readonly rates?: Pick<RateLimits, 'ruleUse' | 'requireLogSearch'> | undefined
  /** `undefined` for a call of the KDC's own process, which may do everything. */
  readonly caller: Caller | undefined
  /** `undefined` for a call of the KDC's own process. */
  readonly calling: CallingChannel | undefined
  /** The backup that the caller makes. */
  readonly backup: HeldBackup
  /**
   * Makes a change. Changes are made one after another, and an earlier one may end the caller's rights. So whether the
   * caller may still call is checked again when it is the turn of its change.
   */
  readonly change: RealmWriter['change']
}

/** For calls of the KDC's own process, which need no ticket. */
export function ownContext(
  realm: OpenRealm,
  report: Report,
  audit?: Audit,
  rates?: AdminContext['rates'],
): AdminContext {
  return {
    realm,
    report,
    audit,
    rates,
    caller: undefined,
    calling: undefined,
    backup: new HeldBackup(),
    change: plan => realm.writer.change(plan),
  }
}

/** Makes a change, and reports it before its administrator is answered. @throws as `changeReported` does */
export function changeRealm<T>(
  context: AdminContext,
  plan: (now: number) => Promise<ReportedChange<T>>,
): Promise<T> {
  const { change, report } = context
  return changeReported({ change, report, actor: actorOf(context) }, plan)
}

/** Who calls, and from where. */
export function actorOf({ caller, calling }: Pick<AdminContext, 'caller' | 'calling'>): Actor {
  const by = actorsOf(caller)
  if (calling === undefined) return { by }
  return { by, address: calling.channel.address, ticketId: calling.ticketId }
}

/** Reads the store and no cache. Tombstones are found too. */
export function readPrincipal(
  { realm: { vault } }: AdminContext,
  name: Principal,
): Promise<Versioned<PrincipalRecord> | undefined> {
  return readStoredPrincipal(vault, name)
}

/** An invitation is not found. @throws OrthrusError `unknown_service` if there is no such principal */
export async function requirePrincipal(
  context: AdminContext,
  name: Principal,
): Promise<Versioned<PrincipalRecord>> {
  const found = await readPrincipal(context, name)
  if (found !== undefined && !found.record.removed && found.record.invitation === null) return found
  if (found !== undefined && found.record.invitation !== null) {
    throw new OrthrusError('unknown_service', `${name} is an invitation, which can only be withdrawn`, {
      principal: name,
      hint: `run: orthrus admin uninvite ${shortName(name)}`,
    })
  }
  throw new OrthrusError('unknown_service', `there is no principal ${name}`, {
    principal: name,
    hint: 'run: orthrus admin list',
  })
}

/** The rule of exactly this pair, with the version that a change of it must name. Reads the store and no cache. */
export async function readRule(
  { realm: { vault } }: AdminContext,
  client: Pattern,
  service: Pattern,
): Promise<Versioned<PolicyRule> | undefined> {
  const stored = await vault.read(RECORD_KIND.POLICY, policyName(client, service))
  return stored && { version: stored.version, record: decodePolicyRecord(stored.fields) }
}

/** @throws OrthrusError `malformed` for a principal of another realm */
export function requireOwnRealm({ realm }: AdminContext, name: Principal): void {
  if (realmOf(name) === realm.record.realm) return
  throw malformed(`${name} is not of the realm ${realm.record.realm}`)
}

/**
 * @param instead what to run for a principal of the KDC, and for oneself. Default: there is nothing for the one, and
 * another administrator for the other
 * @throws OrthrusError `not_authorized` if the principal belongs to the KDC or is the caller itself
 */
export function requireDispensable(
  { caller }: AdminContext,
  name: Principal,
  action: string,
  instead: { readonly ofKdc?: string; readonly ofOneself?: string } = {},
): void {
  if (isReserved(name)) {
    throw new OrthrusError('not_authorized', `${name} cannot be ${action}: the KDC needs it`, {
      principal: name,
      ...(instead.ofKdc === undefined ? {} : { hint: instead.ofKdc }),
    })
  }
  if (actorsOf(caller).includes(name)) {
    throw new OrthrusError(
      'not_authorized',
      `${name} cannot be ${action} by itself: no administrator might be left to undo it`,
      {
        principal: name,
        hint:
          instead.ofOneself ??
          'another administrator can do it; to make one, run: orthrus admin allow NAME kdc --claim role=admin',
      },
    )
  }
}

/** As a person types it. */
export function shortName(name: Principal): string {
  return localPart(name)
}

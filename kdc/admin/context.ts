import type { PolicyRule } from '../../shared/administration/rules.js'
import { malformed, OrthrusError } from '../../shared/errors.js'
import type { Pattern } from '../../shared/pattern.js'
import { isReserved, localPart, type Principal, realmOf } from '../../shared/principal.js'
import { policyName } from '../realm/directory.js'
import type { OpenRealm } from '../realm/realm.js'
import type { Planned, RealmWriter } from '../realm/realm-writer.js'
import type { RecordChange } from '../report/events.js'
import { describeFailure } from '../report/failure.js'
import type { Report } from '../report/report.js'
import { RECORD_KIND, StoreConflict } from '../store/store.js'
import {
  decodePolicyRecord,
  decodePrincipalRecord,
  encodePrincipalRecord,
  type PrincipalRecord,
} from '../vault/records.js'
import type { VaultChange } from '../vault/vault.js'
import { actorsOf, type Caller } from './role.js'

/** What a method of `kdc@realm` needs to answer one caller. */
export interface AdminContext {
  /** Changes go through `changeRealm`. */
  readonly realm: Omit<OpenRealm, 'writer'>
  readonly report: Report
  /** `undefined` for a call of the KDC's own process, which may do everything. */
  readonly caller: Caller | undefined
  /**
   * Makes a change. Changes are made one after another, and an earlier one may end the caller's rights. So whether the
   * caller may still call is checked again when it is the turn of its change.
   */
  readonly change: RealmWriter['change']
}

/** For calls of the KDC's own process, which need no ticket. */
export function ownContext(realm: OpenRealm, report: Report): AdminContext {
  return { realm, report, caller: undefined, change: plan => realm.writer.change(plan) }
}

/** A change of the realm, and what is reported once it is on stable storage. */
export interface ReportedChange<T> extends Planned<T> {
  readonly reported: RecordChange
}

/**
 * Makes a change, and reports it before its administrator is answered. A change that the store may have written, although
 * it failed, is reported as well.
 * @param plan as `RealmWriter.change` takes it
 * @throws OrthrusError `unavailable`, and what `plan` throws
 */
export async function changeRealm<T>(
  { change, report, caller }: AdminContext,
  plan: (now: number) => Promise<ReportedChange<T>>,
): Promise<T> {
  const by = actorsOf(caller)
  let planned: RecordChange | undefined
  const made = change(async now => {
    planned = undefined
    const { changes, result, reported } = await plan(now)
    planned = reported
    return { changes, result: { result, reported } }
  })
  const { result, reported } = await made.catch((cause: unknown) => {
    if (planned !== undefined && !isConflict(cause)) {
      report.tell({ kind: 'change_uncertain', by, change: planned, failure: describeFailure(cause) })
    }
    throw cause
  })
  await report.record({ kind: 'record_changed', by, change: reported })
  return result
}

/** The store wrote nothing, because another process was always first. */
function isConflict(cause: unknown): boolean {
  return cause instanceof Error && cause.cause instanceof StoreConflict
}

/** A record with the version that a change of it must name. */
export interface Versioned<T> {
  readonly version: number
  readonly record: T
}

/** Reads the store and no cache. Tombstones are found too. */
export async function readPrincipal(
  { realm: { vault } }: AdminContext,
  name: Principal,
): Promise<Versioned<PrincipalRecord> | undefined> {
  const stored = await vault.read(RECORD_KIND.PRINCIPAL, name)
  return stored && { version: stored.version, record: decodePrincipalRecord(stored.fields) }
}

/** @throws OrthrusError `unknown_service` if there is no such principal */
export async function requirePrincipal(
  context: AdminContext,
  name: Principal,
): Promise<Versioned<PrincipalRecord>> {
  const found = await readPrincipal(context, name)
  if (found !== undefined && !found.record.removed) return found
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

export function writePrincipal({ version, record }: Versioned<PrincipalRecord>): VaultChange {
  const fields = encodePrincipalRecord(record)
  return { kind: RECORD_KIND.PRINCIPAL, name: record.name, expected: version, fields }
}

/** @throws OrthrusError `malformed` for a principal of another realm */
export function requireOwnRealm({ realm }: AdminContext, name: Principal): void {
  if (realmOf(name) === realm.record.realm) return
  throw malformed(`${name} is not of the realm ${realm.record.realm}`)
}

/** @throws OrthrusError `not_authorized` if the principal belongs to the KDC or is the caller itself */
export function requireDispensable({ caller }: AdminContext, name: Principal, action: string): void {
  if (isReserved(name)) {
    throw new OrthrusError('not_authorized', `${name} cannot be ${action}: the KDC needs it`, {
      principal: name,
    })
  }
  if (actorsOf(caller).includes(name)) {
    throw new OrthrusError(
      'not_authorized',
      `${name} cannot be ${action} by itself: no administrator might be left to undo it`,
      {
        principal: name,
        hint: `another administrator can do it; to make one, run: orthrus admin allow NAME kdc --claim role=admin`,
      },
    )
  }
}

/** As a person types it. */
export function shortName(name: Principal): string {
  return localPart(name)
}

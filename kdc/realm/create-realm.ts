import type { RealmLifetimes, RotationSchedule } from '../../shared/administration/realm.js'
import { NO_TERMS } from '../../shared/administration/rule.js'
import { SIZE } from '../../shared/constants.js'
import { LongTermKey } from '../../shared/crypto/keys.js'
import type { RandomSource } from '../../shared/crypto/random.js'
import { OrthrusError } from '../../shared/errors.js'
import type { KeytabEntry } from '../../shared/keytab/keytab.js'
import { type KnownOptions, requireKnownOptions } from '../../shared/options.js'
import type { Pattern } from '../../shared/pattern.js'
import { kdcService, parseRealm, principalIn, ticketGrantingService } from '../../shared/principal.js'
import { shown } from '../../shared/shown-text.js'
import type { Clock } from '../../shared/time.js'
import { KDC_KEYS_LIFE, LIFETIME } from '../limits/defaults.js'
import { RECORD_KIND, StoreConflict } from '../store/store.js'
import {
  encodePolicyRecord,
  encodePrincipalRecord,
  encodeRealmRecord,
  type PolicyRecord,
  REALM_RECORD_NAME,
} from '../vault/records.js'
import type { Vault, VaultChange } from '../vault/vault.js'
import { policyName } from './directory.js'
import { newPrincipal } from './principal.js'

export interface CreateRealmOptions extends Partial<RealmLifetimes> {
  readonly vault: Vault
  /** The name of the realm, such as `demo.example`. */
  readonly realm: string
  readonly clock: Clock
  readonly random: RandomSource
}

const KNOWN: KnownOptions<CreateRealmOptions> = {
  vault: true,
  realm: true,
  clock: true,
  random: true,
  maxTgtLife: true,
  maxServiceLife: true,
  maxRenew: true,
}

/**
 * Makes a realm in a store that has none: its record, the principals `krbtgt`, `kdc` and `admin`, and the rule that
 * lets `admin` administer it. When the promise resolves all of it is on stable storage; if it rejects, none of it is.
 * @returns the key of `admin@realm`, for its keytab
 * @throws TypeError if `realm` is not the name of a realm, or a lifetime is not a whole number above 0
 * @throws OrthrusError `unavailable` if the store has a realm already
 */
export async function createRealm(options: CreateRealmOptions): Promise<KeytabEntry> {
  requireKnownOptions('createRealm', options, KNOWN)
  const { vault, clock, random } = options
  const realm = parseRealm(options.realm)
  const now = Math.floor(clock.now())
  const admin = principalIn(realm, 'admin')
  const key = new LongTermKey(random(SIZE.KEY))
  const reserved = [ticketGrantingService(realm), kdcService(realm)].map(name => {
    return newPrincipal({ name, key: new LongTermKey(random(SIZE.KEY)), now, random })
  })
  const principals = [...reserved, newPrincipal({ name: admin, key, now, random })]
  const rule = administrationRule(admin as string as Pattern, kdcService(realm) as string as Pattern, now)
  const lives = lifetimesOf(options)
  const record = {
    realm,
    saltSecret: random(SIZE.KEY),
    ...lives,
    longestLife: longestOf(lives),
    rotation: DEFAULT_ROTATION,
    survive: null,
    logId: random(SIZE.LOG_ID),
    createdAt: now,
  }
  await commitNew(vault, [
    make(RECORD_KIND.REALM, REALM_RECORD_NAME.REALM, encodeRealmRecord(record)),
    ...principals.map(principal =>
      make(RECORD_KIND.PRINCIPAL, principal.name, encodePrincipalRecord(principal)),
    ),
    make(RECORD_KIND.POLICY, policyName(rule.client, rule.service), encodePolicyRecord(rule)),
  ])
  return { principal: admin, kvno: 1, key }
}

/** Until an administrator sets another one: other principals keep their keys until they are told to change them. */
export const DEFAULT_ROTATION: RotationSchedule = {
  krbtgt: KDC_KEYS_LIFE,
  kdc: KDC_KEYS_LIFE,
  principals: null,
}

/** The longest life of any ticket, renewals included, milliseconds. */
export function longestOf({ maxTgtLife, maxServiceLife, maxRenew }: RealmLifetimes): number {
  return Math.max(maxTgtLife, maxServiceLife, maxRenew)
}

function lifetimesOf(options: Partial<RealmLifetimes>): RealmLifetimes {
  const { maxTgtLife = LIFETIME.TGT, maxServiceLife = LIFETIME.SERVICE, maxRenew = LIFETIME.RENEW } = options
  for (const life of [maxTgtLife, maxServiceLife, maxRenew]) {
    if (!Number.isSafeInteger(life) || life <= 0)
      throw new TypeError(`a lifetime must be a whole number of milliseconds above 0, not ${shown(life)}`)
  }
  return { maxTgtLife, maxServiceLife, maxRenew }
}

function administrationRule(client: Pattern, service: Pattern, changedAt: number): PolicyRecord {
  return {
    client,
    service,
    effect: 'allow',
    ...NO_TERMS,
    claims: [['role', 'admin']],
    changedAt,
  }
}

function make(kind: VaultChange['kind'], name: string, fields: VaultChange['fields']): VaultChange {
  return { kind, name, expected: 0, fields }
}

async function commitNew(vault: Vault, changes: readonly VaultChange[]): Promise<void> {
  try {
    await vault.commit(changes)
  } catch (cause) {
    if (!(cause instanceof StoreConflict)) throw cause
    throw new OrthrusError('unavailable', 'the database has a realm already', {
      final: true,
      cause,
      hint: 'make the new realm in another folder',
    })
  }
}

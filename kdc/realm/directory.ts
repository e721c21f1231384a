import { SIZE } from '../../shared/constants.js'
import { expand } from '../../shared/crypto/derive.js'
import { LongTermKey } from '../../shared/crypto/keys.js'
import { OrthrusError } from '../../shared/errors.js'
import { NO_GROUPS, type Pattern, patternsOf } from '../../shared/pattern.js'
import type { Principal } from '../../shared/principal.js'
import { RecentlyUsed } from '../../shared/recently-used.js'
import { CACHE } from '../limits/defaults.js'
import { RECORD_KIND, type RecordKind, type Replica } from '../store/store.js'
import {
  decodePolicyRecord,
  decodePrincipalRecord,
  encodePrincipalRecord,
  type PolicyRecord,
  type PrincipalRecord,
} from '../vault/records.js'
import type { Vault, VaultRecord } from '../vault/vault.js'
import { type MaybePromise, useValue } from './maybe-promise.js'
import { newPrincipal } from './principal.js'
import { currentKey } from './principal-keys.js'
import { type CacheUse, RecordCache } from './record-cache.js'

/** The name of the rule for exactly this pair. No pattern contains a space. */
export function policyName(client: string, service: string): string {
  return `${client} ${service}`
}

/** The groups that a client and a service are in. */
export interface GroupsOfPair {
  readonly client: readonly Pattern[]
  readonly service: readonly Pattern[]
}

/** Of a pair that is in none. */
export const NO_GROUPS_OF_PAIR: GroupsOfPair = { client: NO_GROUPS, service: NO_GROUPS }

/**
 * What the rules of a pair are remembered by. A change of a principal's groups needs no care: its pairs are looked up by
 * another name then.
 */
function pairName(client: Principal, service: Principal, groups: GroupsOfPair): string {
  const pair = policyName(client, service)
  if (groups.client.length === 0 && groups.service.length === 0) return pair
  return `${pair} ${groups.client.join(',')} ${groups.service.join(',')}`
}

/** Look-ups for the exchanges. They are cached, and up to date when a change is acknowledged. */
export class Directory {
  readonly #vault: Vault
  readonly #nobody: () => VaultRecord
  readonly #principals: RecordCache<PrincipalRecord>
  readonly #guessed: RecentlyUsed<string, true>
  /** By client and service. Without the cache, each pair of their patterns is read from the store. */
  readonly #rules: RecordCache<readonly PolicyRecord[]>
  readonly #listeners = new Set<(name: string | undefined) => void>()
  /** Rises with each change that is heard of. */
  #changes = 0
  readonly #unwatch: () => void
  readonly #replica: Replica | undefined

  /** @param records how many principals are kept in memory */
  constructor(vault: Vault, records: number = CACHE.PRINCIPALS) {
    const shareOf = (usual: number): number => Math.ceil((usual * records) / CACHE.PRINCIPALS)
    const absent = shareOf(CACHE.ABSENT)
    this.#vault = vault
    this.#replica = vault.replica
    this.#guessed = new RecentlyUsed(absent)
    this.#nobody = vault.standIn(RECORD_KIND.PRINCIPAL, NOBODY)
    this.#principals = new RecordCache({
      read: name => this.#read(name),
      present: records,
      absent,
    })
    this.#rules = new RecordCache({
      read: name => readRules(vault, name),
      present: shareOf(CACHE.RULES),
      absent,
    })
    this.#unwatch = vault.watch((kind, name) => this.noticeChange(kind, name))
  }

  /** `undefined` if there is no such principal, or it was removed. @throws OrthrusError `unavailable` */
  principal(name: Principal): MaybePromise<PrincipalRecord | undefined> {
    return useValue(this.#principals.get(name), unlessRemoved)
  }

  /** As `principal`, but always read from the store, so that the time it takes does not tell what is cached. */
  async storedPrincipal(name: Principal): Promise<PrincipalRecord | undefined> {
    return unlessRemoved(await this.#read(name))
  }

  /**
   * Does the same work after the first wrong guess at the key of a name, whether the name was in memory, in the store
   * or in neither, so that the time of the answer does not tell which.
   * @param held whether the principal was in memory
   */
  async concealGuess(name: Principal, held: boolean): Promise<void> {
    if (this.#guessed.get(name)) return
    const record = await (held ? this.#read(name) : this.#principals.get(name))
    this.#guessed.set(name, true)
    // The first MAC under a key costs its expansion, unless the guess itself has done that already.
    expand((record && currentKey(record))?.key ?? new LongTermKey(new Uint8Array(SIZE.KEY)), 'as-req')
  }

  /** All rules that match the two, ended ones included. @throws OrthrusError `unavailable` */
  rules(
    client: Principal,
    service: Principal,
    groups: GroupsOfPair = NO_GROUPS_OF_PAIR,
  ): MaybePromise<readonly PolicyRecord[]> {
    return useValue(this.rulesNamed(pairName(client, service, groups)), orNone)
  }

  /** As `rules`, by the name of the pair; `undefined` if there is none. */
  rulesNamed(name: string): MaybePromise<readonly PolicyRecord[] | undefined> {
    return this.#rules.get(name)
  }

  /** Look-ups that can be asked afterwards whether what they found still holds. */
  view(): View {
    return new View(this, this.#changes)
  }

  /** Whether nothing that these look-ups found has changed since, as far as this process has heard. */
  isCurrent(since: number, found: readonly Found[]): boolean {
    if (since === this.#changes) return true
    return found.every(({ kind, name, record }) =>
      kind === 'principal' ? this.#principals.holds(name, record) : this.#rules.holds(name, record),
    )
  }

  /** As `principal`, but removed principals are found too. */
  record(name: Principal): MaybePromise<PrincipalRecord | undefined> {
    return this.#principals.get(name)
  }

  /**
   * Calls the listener when a principal may have changed; without a name if each of them may have.
   * @returns a function that removes the listener
   */
  onPrincipal(listener: (name: string | undefined) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Where several KDCs share the store: checks that this one has seen every change that was made more than a second ago.
   * To be asked in the same step in which a decision takes effect.
   * @throws OrthrusError `unavailable`
   */
  requireCurrent(): void {
    const replica = this.#replica
    if (replica !== undefined && !replica.isCurrent()) throw notCurrent(replica)
  }

  /**
   * Resolves when `requireCurrent` passes; `undefined` while it does.
   * @throws OrthrusError `unavailable` if it never will
   */
  whenCurrent(): MaybePromise<void> {
    return this.#replica?.whenCurrent()
  }

  /**
   * Forgets a record that may have changed, or without a name all of the kind. The vault tells of changes by itself,
   * except of those that seem to fail.
   */
  noticeChange(kind: RecordKind, name: string | undefined): void {
    this.#changes++
    // A rule may match many pairs, and rules change rarely.
    if (kind === RECORD_KIND.POLICY) this.#rules.forgetAll()
    if (kind === RECORD_KIND.PRINCIPAL) this.#forgetPrincipal(name)
  }

  /** How the look-ups of principals and of rules were answered. */
  get use(): { readonly principals: CacheUse; readonly rules: CacheUse } {
    return { principals: this.#principals.use, rules: this.#rules.use }
  }

  close(): void {
    this.#unwatch()
    this.#listeners.clear()
  }

  async #read(name: string): Promise<PrincipalRecord | undefined> {
    const record = await this.#vault.read(RECORD_KIND.PRINCIPAL, name)
    const decoded = decodePrincipalRecord((record ?? this.#nobody()).fields)
    return record && decoded
  }

  #forgetPrincipal(name: string | undefined): void {
    if (name === undefined) this.#principals.forgetAll()
    else this.#principals.forget(name)
    for (const listener of [...this.#listeners]) listener(name)
  }
}

/** What one look-up found. `undefined` if there is no such record, or no rule. */
type Found =
  | { readonly kind: 'principal'; readonly name: string; readonly record: PrincipalRecord | undefined }
  | { readonly kind: 'rules'; readonly name: string; readonly record: readonly PolicyRecord[] | undefined }

/** The records that one decision is made from. */
export class View {
  readonly #directory: Directory
  readonly #since: number
  readonly #found: Found[] = []

  constructor(directory: Directory, since: number) {
    this.#directory = directory
    this.#since = since
  }

  /** As `Directory.principal`. */
  principal(name: Principal): MaybePromise<PrincipalRecord | undefined> {
    return useValue(this.#directory.record(name), record => {
      this.#found.push({ kind: 'principal', name, record })
      return unlessRemoved(record)
    })
  }

  /** As `Directory.rules`. */
  rules(client: Principal, service: Principal, groups: GroupsOfPair): MaybePromise<readonly PolicyRecord[]> {
    const name = pairName(client, service, groups)
    return useValue(this.#directory.rulesNamed(name), record => {
      this.#found.push({ kind: 'rules', name, record })
      return orNone(record)
    })
  }

  /** Whether all of it still holds. To be asked in the same step in which the decision takes effect. */
  isCurrent(): boolean {
    return this.#directory.isCurrent(this.#since, this.#found)
  }
}

function notCurrent({ fault }: Replica): OrthrusError {
  return fault ?? new OrthrusError('unavailable', 'this KDC may not have seen all changes')
}

function unlessRemoved(record: PrincipalRecord | undefined): PrincipalRecord | undefined {
  return record?.removed ? undefined : record
}

function orNone(rules: readonly PolicyRecord[] = []): readonly PolicyRecord[] {
  return rules
}

/** Decoded in place of a principal that does not exist, so that the time of a read does not tell whether it does. */
const NOBODY = encodePrincipalRecord(
  newPrincipal({
    name: 'nobody@nowhere' as Principal,
    key: new LongTermKey(new Uint8Array(SIZE.KEY)),
    now: 0,
    random: length => new Uint8Array(length),
  }),
)

/** Reads one record for each pair of patterns; `undefined` if no rule matches. @param pair as `pairName` gives it */
async function readRules(vault: Vault, pair: string): Promise<readonly PolicyRecord[] | undefined> {
  const [client, service, ofClient, ofService] = pair.split(' ') as [Principal, Principal, string?, string?]
  const services = patternsOf(service, groupsIn(ofService))
  const names = patternsOf(client, groupsIn(ofClient)).flatMap(pattern =>
    services.map(other => policyName(pattern, other)),
  )
  const records = await Promise.all(names.map(name => vault.read(RECORD_KIND.POLICY, name)))
  const rules = records.flatMap(record => (record === undefined ? [] : [decodePolicyRecord(record.fields)]))
  // Anybody can ask for any number of pairs without a rule, so those are cached apart.
  return rules.length === 0 ? undefined : rules
}

function groupsIn(list: string | undefined): readonly Pattern[] {
  return list ? (list.split(',') as Pattern[]) : NO_GROUPS
}

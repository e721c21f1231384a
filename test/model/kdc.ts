import { ownContext } from '../../kdc/admin/context.js'
import { callMethod } from '../../kdc/admin/methods.js'
import { ChannelOpener, type Opened } from '../../kdc/channel/channel-opener.js'
import { createDispatch, type Dispatch } from '../../kdc/exchange/dispatch.js'
import { CACHE } from '../../kdc/limits/defaults.js'
import { limitedByRule, NO_RATE_LIMITS, type RateLimits } from '../../kdc/limits/rate-limits.js'
import { RuleRates } from '../../kdc/limits/rule-rates.js'
import { createRealm } from '../../kdc/realm/create-realm.js'
import { withNewSeries } from '../../kdc/realm/principal.js'
import { type OpenRealm, openRealm } from '../../kdc/realm/realm.js'
import { writePrincipal } from '../../kdc/realm/stored-principal.js'
import type { KdcEvent } from '../../kdc/report/events.js'
import { createReport, type Report, SILENT_REPORT } from '../../kdc/report/report.js'
import { createMemoryStore } from '../../kdc/store/memory.js'
import { type Change, RECORD_KIND, type Store } from '../../kdc/store/store.js'
import { MasterKey } from '../../kdc/vault/master-key.js'
import {
  decodePrincipalRecord,
  decodeRealmRecord,
  encodeRealmRecord,
  REALM_RECORD_NAME,
} from '../../kdc/vault/records.js'
import { Vault } from '../../kdc/vault/vault.js'
import { encodeGroupChange } from '../../shared/administration/groups.js'
import { decodeMadeInvitation, encodeNewInvitation } from '../../shared/administration/invitations.js'
import {
  decodePasswordWasReset,
  decodeReplacedKey,
  decodeRotated,
  encodePasswordReset,
} from '../../shared/administration/keys.js'
import type { AdminMethod } from '../../shared/administration/methods.js'
import {
  decodeAddedPrincipal,
  encodeNewPrincipal,
  NO_LIMITS,
  type PasswordKey,
} from '../../shared/administration/principals.js'
import {
  decodeKeyRevoked,
  decodeRevoked,
  encodeTicketRevocation,
} from '../../shared/administration/revocations.js'
import { encodePolicyRule } from '../../shared/administration/rules.js'
import { toHex } from '../../shared/bytes.js'
import type { ChannelCarrier } from '../../shared/channel/accepted-channel.js'
import { SIZE } from '../../shared/constants.js'
import { LongTermKey } from '../../shared/crypto/keys.js'
import type { RandomSource } from '../../shared/crypto/random.js'
import type { Value } from '../../shared/encoding/encoding.js'
import { parametersWith } from '../../shared/exchange/params.js'
import type { KeytabEntry } from '../../shared/keytab/keytab.js'
import type { Pattern } from '../../shared/pattern.js'
import type { Principal } from '../../shared/principal.js'
import type { TestClock } from '../../testing/index.js'
import { ADDRESS, REALM } from '../support/realm.js'
import { EVERYBODY, GIVEN_RULES, KDC, KRBTGT, LIVES, PEOPLE } from './cast.js'
import type { Terms } from './invitation-facts.js'
import { ruleFrom } from './plain-rule.js'
import type { FactRule } from './policy-facts.js'

/** The KDC's own statement about a ticket that it issued. */
export interface IssuedLine {
  readonly client: string
  readonly service: string
  /** Hex. */
  readonly ticketId: string
  readonly endTime: number
}

/** And about one that it did not issue. */
export interface DeniedLine {
  readonly service: string
  readonly code: string
}

export interface KdcAnswer {
  readonly reply: Uint8Array
  readonly issued: readonly IssuedLine[]
  readonly denied: readonly DeniedLine[]
}

/** A realm with all principals and policy, as the writes that made it: made once for all runs. */
export interface PreparedRealm {
  readonly masterKey: MasterKey
  readonly commits: readonly (readonly Change[])[]
  readonly keys: ReadonlyMap<string, KeytabEntry>
}

export async function prepareRealm(clock: TestClock, random: RandomSource): Promise<PreparedRealm> {
  const store = createMemoryStore()
  const commits: (readonly Change[])[] = []
  const recording: Store = {
    get: (kind, name) => store.get(kind, name),
    list: (kind, page) => store.list(kind, page),
    watch: listener => store.watch(listener),
    snapshot: () => store.snapshot(),
    compact: () => store.compact(),
    close: () => store.close(),
    commit: async changes => {
      await store.commit(changes)
      commits.push(changes)
    },
  }
  const masterKey = new MasterKey(random(32))
  const vault = new Vault(recording, masterKey, random)
  await createRealm({ vault, realm: REALM, clock, random, ...LIVES })
  const realm = await openRealm({ vault, clock, random })
  const keys = new Map<string, KeytabEntry>()
  for (const name of EVERYBODY) keys.set(name, await addPrincipal(realm, name, random))
  for (const [pair, rule] of Object.entries(GIVEN_RULES)) {
    const [client = '', service = ''] = pair.split(' ')
    const whole = { ...rule, client, service, effect: 'allow', until: null, rate: null } as const
    await administer(realm, 'allow', encodePolicyRule(ruleFrom(whole)))
  }
  realm.close()
  for (const name of [KRBTGT, KDC]) keys.set(name, await storedKey(vault, name))
  return { masterKey, commits, keys }
}

function administer(
  realm: OpenRealm,
  method: AdminMethod,
  args: readonly Value[],
): Promise<readonly Value[]> {
  return callMethod(ownContext(realm, SILENT_REPORT), method, args)
}

async function addPrincipal(realm: OpenRealm, name: string, random: RandomSource): Promise<KeytabEntry> {
  const principal = name as Principal
  const password = PEOPLE.includes(name) ? drawPassword(random) : null
  const results = await administer(realm, 'add', encodeNewPrincipal({ principal, password, ...NO_LIMITS }))
  const { kvno, key = null } = decodeAddedPrincipal(results)
  const own = key ?? password?.key
  if (own === undefined) throw new Error('no key')
  return { principal, kvno, key: own }
}

/** A password's key is 32 bytes for everybody but scrypt, which would be most of the work. */
export function drawPassword(random: RandomSource): PasswordKey {
  return { parameters: parametersWith(random(SIZE.SALT)), key: new LongTermKey(random(SIZE.KEY)) }
}

/** The current key of a principal that nobody but the KDC has. */
async function storedKey(vault: Vault, name: string): Promise<KeytabEntry> {
  const record = await vault.read(RECORD_KIND.PRINCIPAL, name)
  const own = decodePrincipalRecord(record?.fields ?? []).keys.find(({ state }) => state === 'current')
  if (own === undefined) throw new Error('no key')
  return { principal: name as Principal, kvno: own.kvno, key: own.key }
}

/** A KDC starts often here and knows few principals; caches for many thousands would be most of the work. */
Object.assign(CACHE, { PRINCIPALS: 100, RULES: 100, ABSENT: 100, TGTS: 100 })

/** Of the limits only the rates of rules count here: the tables of the others, made at every start, were much of the work. */
function onlyOfRules(monotonic: () => number): RateLimits {
  const rules = new RuleRates(monotonic)
  return {
    ...NO_RATE_LIMITS,
    requireRule: (client, rule, rate, takes) => {
      const left = rules.wait(client, rule, rate, takes)
      if (left > 0) throw limitedByRule(client, rule, left)
    },
    ruleUse: (client, rule, rate) => rules.use(client, rule, rate),
  }
}

/** The real KDC over a store in memory, that can be stopped and started again over the same store. */
export class ModelKdc {
  readonly clock: TestClock
  readonly #store: Store
  readonly #vault: Vault
  readonly #commits: PreparedRealm['commits']
  readonly #random: RandomSource
  readonly #issued: IssuedLine[] = []
  readonly #denied: DeniedLine[] = []
  readonly #report: Report
  #realm!: OpenRealm
  #dispatch!: Dispatch
  #opener!: ChannelOpener

  private constructor({ masterKey, commits }: PreparedRealm, clock: TestClock, random: RandomSource) {
    this.clock = clock
    this.#random = random
    this.#store = createMemoryStore()
    this.#vault = new Vault(this.#store, masterKey, random)
    this.#commits = commits
    this.#report = createReport([event => this.#hear(event)])
  }

  /** @param clock stands where it stood when the realm was prepared. */
  static async start(prepared: PreparedRealm, clock: TestClock, random: RandomSource): Promise<ModelKdc> {
    const kdc = new ModelKdc(prepared, clock, random)
    for (const changes of kdc.#commits) await kdc.#store.commit(changes)
    await kdc.restart()
    return kdc
  }

  async restart(): Promise<void> {
    this.#realm?.close()
    this.#realm = await openRealm({ vault: this.#vault, clock: this.clock, random: this.#random })
    const rates = onlyOfRules(() => this.clock.monotonic())
    const context = { rates, timers: this.clock, random: this.#random, report: this.#report }
    this.#dispatch = createDispatch({ ...context, realm: this.#realm })
    this.#opener = new ChannelOpener({ ...context, realm: this.#realm })
  }

  #hear(event: KdcEvent): void {
    if (event.kind === 'ticket_granted') {
      const { client, service, ticketId, endTime } = event
      this.#issued.push({ client, service, ticketId: toHex(ticketId), endTime })
    }
    if (event.kind === 'ticket_denied') this.#denied.push({ service: event.service, code: event.code })
  }

  /** The answer, and the result for every ticket that was asked for. */
  async answer(request: Uint8Array): Promise<KdcAnswer> {
    this.#issued.length = 0
    this.#denied.length = 0
    const reply = await this.#dispatch(request, ADDRESS)
    return { reply, issued: [...this.#issued], denied: [...this.#denied] }
  }

  /** Opens a channel, or refuses. @param carrier takes what the KDC sends over it */
  open(bytes: Uint8Array, carrier: ChannelCarrier): Promise<Opened> {
    return this.#opener.open({ bytes, address: ADDRESS, now: this.#realm.time.now() }, carrier)
  }

  add(name: string): Promise<KeytabEntry> {
    return addPrincipal(this.#realm, name, this.#random)
  }

  /** @returns the number of the entry in the revocation log; 0 for a method that revokes nothing */
  async change(method: 'disable' | 'enable' | 'remove' | 'revoke-client', name: string): Promise<number> {
    const results = await administer(this.#realm, method, [name])
    return method === 'enable' ? 0 : decodeRevoked(results)
  }

  async setRule(rule: FactRule): Promise<void> {
    await administer(this.#realm, rule.effect, encodePolicyRule(ruleFrom(rule)))
  }

  async forget(client: string, service: string): Promise<void> {
    await administer(this.#realm, 'forget', [client, service])
  }

  async move(name: string, group: string, joins: boolean): Promise<void> {
    const change = { group: group as Pattern, principals: [name as Principal] }
    await administer(this.#realm, joins ? 'group-add' : 'group-remove', encodeGroupChange(change))
  }

  async revokeTicket(ticketId: string): Promise<number> {
    const asked = encodeTicketRevocation({
      ticketId: new Uint8Array(Buffer.from(ticketId, 'hex')),
      principal: null,
    })
    return decodeRevoked(await administer(this.#realm, 'revoke-ticket', asked))
  }

  /** @returns the key of the invitation */
  async invite(terms: Terms): Promise<KeytabEntry> {
    const wanted = encodeNewInvitation({ ...terms, target: terms.target as Pattern })
    const results = await administer(this.#realm, 'invite', wanted)
    return decodeMadeInvitation(results).invitation
  }

  async uninvite(name: string): Promise<number> {
    return decodeRevoked(await administer(this.#realm, 'uninvite', [name]))
  }

  /** The number of the newest entry of the revocation log. */
  get newestEntry(): number {
    return this.#realm.revocations.newest
  }

  async revokeKey(name: string): Promise<number> {
    return decodeKeyRevoked(await administer(this.#realm, 'revoke-key', [name])).seq
  }

  /** Gives the principal another key, or a person another password. */
  async replaceKey(name: string): Promise<{ readonly entry: KeytabEntry; readonly seq: number }> {
    const principal = name as Principal
    if (PEOPLE.includes(name)) {
      const password = drawPassword(this.#random)
      const asked = encodePasswordReset({ principal, password })
      const { kvno, seq } = decodePasswordWasReset(await administer(this.#realm, 'reset-password', asked))
      return { entry: { principal, kvno, key: password.key }, seq }
    }
    const { kvno, key, seq } = decodeReplacedKey(await administer(this.#realm, 'replace-key', [name]))
    return { entry: { principal, kvno, key }, seq }
  }

  /** Gives the KDC itself another key. */
  async rotate(name: string): Promise<KeytabEntry> {
    const kvno = decodeRotated(await administer(this.#realm, 'rotate', [name]))
    const entry = await storedKey(this.#vault, name)
    if (entry.kvno !== kvno) throw new Error(`${name} has the key ${entry.kvno}, not ${kvno}`)
    return entry
  }

  /** The id of the revocation log, hex. */
  get logId(): string {
    return toHex(this.#realm.record.logId)
  }

  /** As from a backup (docs/protocol.md section 12): with another log, and every series drawn again. */
  async restore(): Promise<void> {
    const vault = this.#vault
    const random = this.#random
    const entries = await vault.list(RECORD_KIND.REVOCATION, { limit: 1_000 })
    const forgotten = entries.map(({ name, version }) => ({
      kind: RECORD_KIND.REVOCATION,
      name,
      expected: version,
      fields: undefined,
    }))
    const principals = await vault.list(RECORD_KIND.PRINCIPAL, { limit: 1_000 })
    const redrawn = principals.map(({ version, fields }) => {
      const record = withNewSeries(decodePrincipalRecord(fields), random, this.clock.now())
      return writePrincipal({ version, record })
    })
    const realm = await vault.read(RECORD_KIND.REALM, REALM_RECORD_NAME.REALM)
    if (realm === undefined) throw new Error('no realm')
    const record = { ...decodeRealmRecord(realm.fields), logId: random(SIZE.LOG_ID) }
    const renamed = {
      kind: RECORD_KIND.REALM,
      name: REALM_RECORD_NAME.REALM,
      expected: realm.version,
      fields: encodeRealmRecord(record),
    }
    await vault.commit([...forgotten, ...redrawn, renamed])
    await this.restart()
  }
}

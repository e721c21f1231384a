import type { Administration } from '../../client/channel/administration.js'
import { NO_LIMITS } from '../../shared/administration/principals.js'
import { SIZE } from '../../shared/constants.js'
import { LongTermKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { OrthrusError } from '../../shared/errors.js'
import { parametersWith } from '../../shared/exchange/params.js'
import { formatKeytab } from '../../shared/keytab/keytab.js'
import { principalIn } from '../../shared/principal.js'
import type { Chance } from '../support/chance.js'
import { allow, REALM } from '../support/folder-realm.js'
import type { Ledger, LedgerChange, PrincipalState, RuleState } from './ledger.js'

/**
 * Administrators that change whatever can be changed, each its own principals and rules, and record every answer in the
 * ledger.
 */

export interface Changing {
  readonly chance: Chance
  readonly ledger: Ledger
  /** Keytabs of the names as they were last acknowledged. */
  readonly keytabs: Map<string, string>
  /** The same names each round, so that each round continues with what the last one left. */
  readonly names: readonly string[]
}

/**
 * One change, of a principal or a rule.
 * @throws OrthrusError as the KDC or the connection to it fails; the change is then unanswered
 */
export async function changeSomething(administration: Administration, changing: Changing): Promise<void> {
  const { chance, names } = changing
  const name = names[chance.below(names.length)] as string
  if (chance.below(4) === 0) await changeRule(administration, changing, name)
  else await changePrincipal(administration, changing, name)
}

/**
 * Runs until the KDC is gone.
 * @returns how often something was changed
 */
export async function changeUntilGone(
  administration: Administration,
  changing: Changing,
  isGone: () => boolean,
): Promise<number> {
  for (let done = 0; ; done++) {
    try {
      await changeSomething(administration, changing)
    } catch (cause) {
      if (isGone() && isAbsence(cause)) return done
      throw cause
    }
  }
}

/** The errors of a client whose KDC has gone. */
export function isAbsence(cause: unknown): boolean {
  return cause instanceof OrthrusError && (cause.code === 'channel_broken' || cause.code === 'unavailable')
}

async function changeRule(administration: Administration, changing: Changing, name: string): Promise<void> {
  const { ledger, chance } = changing
  const key = `rule ${name}`
  const before = ledger.of(key) as RuleState | undefined
  const there = before?.effect !== undefined
  const effect = chance.pick<RuleState['effect']>(there ? ['allow', 'deny', undefined] : ['allow', 'deny'])
  const maxLife = effect === 'allow' ? 1000 * (1 + chance.below(1000)) : null
  const rule = allow(name, 'orders')
  const change = { key, before, after: { kind: 'rule', effect, maxLife } as const }
  ledger.ask(change)
  if (effect === undefined) await administration.forget(rule.client, rule.service)
  else await administration.setRule({ ...rule, effect, maxLife })
  ledger.acknowledge(change)
}

const NEVER: PrincipalState = { kind: 'principal', life: 'removed', kvno: 0, password: false, revoked: 0 }

const DEEDS = {
  disable: { life: 'disabled', revoked: 1 },
  enable: { life: 'enabled', revoked: 0 },
  remove: { life: 'removed', revoked: 1 },
} as const

async function changePrincipal(
  administration: Administration,
  changing: Changing,
  name: string,
): Promise<void> {
  const { ledger, chance } = changing
  const key = `principal ${name}`
  const known = ledger.of(key) as PrincipalState | undefined
  const before = known ?? NEVER
  if (before.life === 'removed') return add(administration, changing, name, { key, known, before })
  const deed = chance.pick<keyof typeof DEEDS>(
    before.life === 'enabled' ? ['disable', 'remove'] : ['enable', 'remove'],
  )
  const { life, revoked } = DEEDS[deed]
  const password = life === 'removed' ? false : before.password
  const after = { ...before, life, password, revoked: before.revoked + revoked }
  const change: LedgerChange = { key, before: known, after }
  ledger.ask(change)
  await administration[deed](principalIn(REALM, name))
  ledger.acknowledge(change)
}

interface Known {
  readonly key: string
  readonly known: PrincipalState | undefined
  readonly before: PrincipalState
}

async function add(
  administration: Administration,
  { ledger, chance, keytabs }: Changing,
  name: string,
  { key, known, before }: Known,
): Promise<void> {
  const principal = principalIn(REALM, name)
  const password = chance.below(3) === 0 ? passwordKey() : null
  const kvno = before.kvno + 1
  const after = { ...before, life: 'enabled', kvno, password: password !== null } as const
  const change: LedgerChange = { key, before: known, after }
  ledger.ask(change)
  keytabs.delete(name)
  const added = await administration.add({ principal, password, ...NO_LIMITS })
  if (added.kvno !== kvno) throw new Error(`${name} was given kvno ${added.kvno} after ${before.kvno}`)
  ledger.acknowledge(change)
  if (added.key !== null) keytabs.set(name, formatKeytab([{ principal, kvno, key: added.key }]))
}

/** As if made from some password: the KDC sees nothing else of it. */
function passwordKey() {
  const salt = systemRandom(SIZE.SALT)
  const parameters = parametersWith(salt)
  return { parameters, key: new LongTermKey(systemRandom(SIZE.KEY)) }
}

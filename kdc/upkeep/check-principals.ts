import { toHex } from '../../shared/bytes.js'
import type { Pattern } from '../../shared/pattern.js'
import {
  isInvitation,
  isReserved,
  kdcService,
  localPart,
  type Principal,
  type RealmName,
  realmOf,
  ticketGrantingService,
} from '../../shared/principal.js'
import type { PrincipalRecord, StoredKey } from '../vault/records.js'
import type { Faults } from './faults.js'
import { principalsIn, type ReadOptions } from './read-records.js'

/** What is kept of a principal while the references are checked. */
export interface KnownPrincipal {
  readonly removed: boolean
  readonly disabled: boolean
  readonly groups: readonly Pattern[]
  /** Of the series of its tickets, in hexadecimal digits. */
  readonly series: string
  readonly lowestKvno: number
  /** The invitation that staged its next key. */
  readonly stagedBy: Principal | null
  /** Of an invitation: the principals that have a key of it with which nobody has logged in yet. */
  readonly staged: readonly Principal[] | null
}

export type KnownPrincipals = ReadonlyMap<string, KnownPrincipal>

/** Checks every principal by itself, then what they say of each other. */
export async function checkPrincipals(options: ReadOptions, realm: RealmName): Promise<KnownPrincipals> {
  const { faults } = options
  const known = new Map<string, KnownPrincipal>()
  for await (const { name, record } of principalsIn(options)) {
    checkOne(faults, name, record, realm)
    known.set(name, knownOf(record))
  }
  for (const [name, { stagedBy, staged }] of known) {
    if (stagedBy !== null) checkStagedBy(faults, known, name, stagedBy)
    for (const target of staged ?? []) checkStaged(faults, known, name, target)
  }
  for (const name of [ticketGrantingService(realm), kdcService(realm)]) {
    if (known.get(name)?.removed === false) continue
    faults.add(`principal ${name}`, 'it is missing, and the KDC cannot work without it')
  }
  return known
}

function knownOf({ removed, disabled, groups, clientId, keys, invitation }: PrincipalRecord): KnownPrincipal {
  const next = keys.find(({ state }) => state === 'next')
  return {
    removed,
    disabled,
    groups,
    series: toHex(clientId),
    lowestKvno: keys.at(-1)?.kvno ?? Number.POSITIVE_INFINITY,
    stagedBy: next?.stagedBy ?? null,
    staged: invitation === null ? null : invitation.staged,
  }
}

function checkOne(faults: Faults, name: string, record: PrincipalRecord, realm: RealmName): void {
  const about = `principal ${name}`
  if (record.name !== name) faults.add(about, `the record says that it is of ${record.name}`)
  if (realmOf(record.name) !== realm) faults.add(about, `it is of another realm than ${realm}`)
  if (isInvitation(record.name) !== (record.invitation !== null) && !record.removed) {
    faults.add(about, 'its name and its record disagree on whether it is an invitation')
  }
  if (record.removed && record.keys.length > 0) faults.add(about, 'it was removed, and still has a key')
  if (isReserved(record.name) && !record.keys.some(({ state }) => state === 'current')) {
    const instead = `orthrus admin revoke key ${localPart(record.name)} makes one, if the KDC still starts`
    faults.add(about, 'it has no current key', instead)
  }
  for (const key of record.keys) checkKey(faults, about, record, key)
}

function checkKey(faults: Faults, about: string, record: PrincipalRecord, key: StoredKey): void {
  const { state, kvno, endsAt, stagedBy } = key
  if (state === 'old' && !isReserved(record.name)) {
    faults.add(about, `its key ${kvno} is old, and only krbtgt and kdc keep old keys`, rekey(record))
  }
  if ((state === 'old') !== (endsAt !== null) && isReserved(record.name)) {
    faults.add(about, `its key ${kvno} is ${state}, and has ${endsAt === null ? 'no end' : 'an end'}`)
  }
  if (state !== 'next' && stagedBy !== null) {
    faults.add(about, `its key ${kvno} is ${state}, and names the invitation ${stagedBy}`, rekey(record))
  }
}

function checkStagedBy(faults: Faults, known: KnownPrincipals, name: string, invitation: Principal): void {
  if (known.get(invitation)?.staged?.includes(name as Principal)) return
  faults.add(
    `principal ${name}`,
    `its next key is said to be of ${invitation}, which knows nothing of it`,
    `invite it again: orthrus admin invite ${localPart(name as Principal)}`,
  )
}

function checkStaged(faults: Faults, known: KnownPrincipals, invitation: string, name: Principal): void {
  if (known.get(name)?.stagedBy === invitation) return
  faults.add(
    `principal ${invitation}`,
    `it waits for ${name}, which has no key of it`,
    `withdraw it: orthrus admin uninvite ${localPart(invitation as Principal)}`,
  )
}

function rekey({ name }: PrincipalRecord): string {
  return `give it a fresh key: orthrus admin rotate ${localPart(name)} --keytab FILE`
}

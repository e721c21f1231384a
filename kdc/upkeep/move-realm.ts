import { equalBytes } from '#primitives'
import { encode } from '../../shared/encoding/encoding.js'
import { OrthrusError } from '../../shared/errors.js'
import type { RealmName } from '../../shared/principal.js'
import { RECORD_KIND, type RecordKind } from '../store/store.js'
import { decodeFirstRealmRecord, decodeRealmRecord, REALM_RECORD_NAME } from '../vault/records.js'
import type { ListedVaultRecord, Vault, VaultChange, VaultRecord } from '../vault/vault.js'

/**
 * Moves a realm from one store to another, with everything that it has: keys, kvnos, the revocation log and its id. So
 * no ticket ends, and no host notices. A moved realm must not be served from both stores, since what one revokes the other
 * would not know: the store that it comes from has no realm any more before the other one has it.
 */

export interface MoveOptions {
  /** No KDC may use it. */
  readonly source: Vault
  /** It has no realm, but may have what an interrupted move left there. */
  readonly target: Vault
  /**
   * Makes sure that no KDC serves the realm from the source any more, or fails if its record changed. Not called if an
   * interrupted move did so.
   */
  readonly fence: (realm: VaultRecord) => Promise<void>
  /** Told now and then how many records were looked at. */
  readonly progress?: (records: number) => void
}

export interface MoveReport {
  readonly realm: RealmName
  readonly records: number
  /** How many of them the target did not have yet. */
  readonly written: number
}

/** The record of the realm comes last, so that a target without it is not served. */
const MOVED_KINDS: readonly RecordKind[] = [RECORD_KIND.PRINCIPAL, RECORD_KIND.POLICY, RECORD_KIND.REVOCATION]

/** Records in a commit: with the key that each commit writes, what etcd takes in one transaction. */
const BATCH = 100

/** Records that are read at a time. */
const PAGE = 500

/**
 * It may be interrupted anywhere and run again: what is there already is compared and not written again.
 * @throws OrthrusError `unavailable` if the source has no realm or the target has one, a record does not open, or the
 * source changes meanwhile
 */
export async function moveRealm(options: MoveOptions): Promise<MoveReport> {
  const { source, target, fence } = options
  const { realm } = await requireSource(source)
  if (await target.read(RECORD_KIND.REALM, REALM_RECORD_NAME.REALM)) throw hasRealm()
  const { records, written } = await copyAll(options)
  for (const kind of MOVED_KINDS) await requireSame(source, target, kind)
  const { record, isFenced } = await requireSource(source)
  if (!isFenced) await fence(record)
  await target.commit([
    { kind: RECORD_KIND.REALM, name: REALM_RECORD_NAME.REALM, expected: 0, fields: record.fields },
    ...(await withoutMark(target)),
  ])
  return { realm, records: records + 1, written: written + 1 }
}

/**
 * Fences a store whose folder cannot be renamed: the record of its realm gets a name under which no KDC finds it.
 * @throws StoreConflict if the record is not the given one any more, OrthrusError `unavailable`
 */
export async function markAsMoved(source: Vault, { version, fields }: VaultRecord): Promise<void> {
  await source.commit([
    { kind: RECORD_KIND.REALM, name: REALM_RECORD_NAME.REALM, expected: version, fields: undefined },
    { kind: RECORD_KIND.REALM, name: REALM_RECORD_NAME.MOVED, expected: 0, fields },
  ])
}

interface Source {
  readonly realm: RealmName
  readonly record: VaultRecord
  /** Whether an earlier move has fenced it. */
  readonly isFenced: boolean
}

async function requireSource(source: Vault): Promise<Source> {
  const present = await source.read(RECORD_KIND.REALM, REALM_RECORD_NAME.REALM)
  const record = present ?? (await source.read(RECORD_KIND.REALM, REALM_RECORD_NAME.MOVED))
  if (record === undefined) throw noRealm()
  if (decodeFirstRealmRecord(record.fields) !== undefined) throw tooOld()
  return { realm: decodeRealmRecord(record.fields).realm, record, isFenced: present === undefined }
}

async function withoutMark(target: Vault): Promise<VaultChange[]> {
  const name = REALM_RECORD_NAME.MOVED
  const mark = await target.read(RECORD_KIND.REALM, name)
  return mark === undefined
    ? []
    : [{ kind: RECORD_KIND.REALM, name, expected: mark.version, fields: undefined }]
}

async function copyAll({
  source,
  target,
  progress,
}: MoveOptions): Promise<{ records: number; written: number }> {
  let [records, written] = [0, 0]
  let changes: VaultChange[] = []
  const write = async (): Promise<void> => {
    await target.commit(changes)
    written += changes.length
    changes = []
    progress?.(records)
  }
  for (const kind of MOVED_KINDS) {
    for await (const { name, from, to } of pairsOf(source, target, kind)) {
      if (from !== undefined) records++
      if (isSame(from, to)) continue
      changes.push({ kind, name, expected: to?.version ?? 0, fields: from?.fields })
      if (changes.length === BATCH) await write()
    }
  }
  if (changes.length > 0) await write()
  return { records, written }
}

/** Reads everything again, so that it is sure what is there, and that nothing was changed at the source meanwhile. */
async function requireSame(source: Vault, target: Vault, kind: RecordKind): Promise<void> {
  for await (const { name, from, to } of pairsOf(source, target, kind)) {
    if (isSame(from, to)) continue
    throw new OrthrusError('unavailable', `the ${kind} record ${name} changed while the realm was moved`, {
      hint: 'end every KDC of the realm, and run the command again: it goes on where it was',
    })
  }
}

interface Pair {
  readonly name: string
  readonly from: ListedVaultRecord | undefined
  readonly to: ListedVaultRecord | undefined
}

/** The records of both by their names, in the order that both have. */
async function* pairsOf(source: Vault, target: Vault, kind: RecordKind): AsyncGenerator<Pair> {
  const [froms, tos] = [allOf(source, kind), allOf(target, kind)]
  let [from, to] = [await nextOf(froms), await nextOf(tos)]
  for (;;) {
    const name = lesser(from?.name, to?.name)
    if (name === undefined) return
    const pair = {
      name,
      from: from?.name === name ? from : undefined,
      to: to?.name === name ? to : undefined,
    }
    yield pair
    if (pair.from !== undefined) from = await nextOf(froms)
    if (pair.to !== undefined) to = await nextOf(tos)
  }
}

async function nextOf(records: AsyncGenerator<ListedVaultRecord>): Promise<ListedVaultRecord | undefined> {
  const { done, value } = await records.next()
  return done === true ? undefined : value
}

/** Names are ASCII, so their order as text is that of their bytes. */
function lesser(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return a < b ? a : b
}

function isSame(from: VaultRecord | undefined, to: VaultRecord | undefined): boolean {
  if (from === undefined || to === undefined) return from === to
  return equalBytes(encode(from.fields), encode(to.fields))
}

async function* allOf(vault: Vault, kind: RecordKind): AsyncGenerator<ListedVaultRecord> {
  for (let after = ''; ; ) {
    const page = await vault.list(kind, after === '' ? { limit: PAGE } : { after, limit: PAGE })
    yield* page
    if (page.length < PAGE) return
    after = page.at(-1)?.name ?? ''
  }
}

function noRealm(): OrthrusError {
  return new OrthrusError('unavailable', 'the store that --from names has no realm', {
    final: true,
    hint: 'if it was moved already, nothing is left to do; otherwise name the store that orthrus init made',
  })
}

function hasRealm(): OrthrusError {
  return new OrthrusError('unavailable', 'the store that --to names has a realm already', {
    final: true,
    hint: 'nothing is written over: name another place, or check with orthrus check whether the move is done',
  })
}

function tooOld(): OrthrusError {
  return new OrthrusError('unavailable', 'an earlier version of orthrus wrote the database', {
    final: true,
    hint: 'start its KDC once with this version, which brings it to the present form, and run the command again',
  })
}

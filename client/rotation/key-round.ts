import type { KeySummary } from '../../shared/administration/keys.js'
import { deriveNextKey } from '../../shared/crypto/derive.js'
import { OrthrusError } from '../../shared/errors.js'
import { type KeytabEntry, parseKeytab, selectPrincipal } from '../../shared/keytab/keytab.js'
import { editKeytab, endsIn } from '../../shared/keytab/keytab-edit.js'
import type { KeytabChange } from '../../shared/keytab/keytab-file.js'
import { localPart, type Principal } from '../../shared/principal.js'
import { MINUTE } from '../../shared/time.js'
import { longestLife, type OwnTransport, ownKeys, stageNextKey } from '../channel/own-keys.js'
import type { OwnKeys } from '../login/identity.js'

/** What a holder does to its keytab while it is locked, by what the KDC says (docs/protocol.md section 12). */

/** How much longer an old key is kept, because clocks differ, milliseconds (sections 10 and 12). */
const CLOCKS_APART = 10 * MINUTE

export interface KeyRound {
  readonly principal: Principal
  /** The path of the keytab, for errors. */
  readonly path: string
  /** A channel to `kdc@realm` under a ticket from a login of the last minutes. */
  readonly transport: OwnTransport
  /** KDC time, milliseconds. */
  readonly now: number
  /** Whether the key is to change even if it is not due. */
  readonly wanted: boolean
}

export interface KeyRoundResult {
  /** The keys in the keytab from now on, the highest kvno first. */
  readonly keys: OwnKeys
  /** Those of them that may be the current one. A login with an older one could only be answered by a thief of it. */
  readonly logins: OwnKeys
  /** A key that the KDC makes current when its holder logs in with it. */
  readonly staged: KeytabEntry | undefined
  /** When the first of the old keys ends, milliseconds of KDC time. */
  readonly firstEnd: number
  /** The keys that the KDC had before anything was staged. */
  readonly told: readonly KeySummary[]
}

/**
 * Looks through a locked keytab: takes out what is dead, notes and takes out what is old, and has the KDC stage the next
 * key if the present one is due. The KDC is asked while the keytab is locked, so no other process can add a line that
 * the answer does not know yet.
 * @throws OrthrusError `keytab_invalid` if the keytab has no key that the KDC still accepts
 */
export async function changeKeys(text: string, round: KeyRound): Promise<KeytabChange<KeyRoundResult>> {
  const { principal, path, transport, now, wanted } = round
  const entries = selectPrincipal(parseKeytab(text, path), principal, path)
  const { keys, due } = await ownKeys(transport)
  const current = keys.find(({ state }) => state === 'current')
  const held = entries.find(({ kvno }) => kvno === current?.kvno)
  if (current === undefined || held === undefined) throw noCurrentKey(round, current?.kvno)
  const next = keys.find(({ state }) => state === 'next')
  const above = entries.filter(({ kvno }) => kvno > current.kvno)
  // Another process, or this one before it was interrupted, has written it and not logged in with it yet.
  const pending = above.find(({ kvno }) => kvno === next?.kvno)
  const mustChange = pending === undefined && (wanted || (due !== null && due <= now))
  const staged = mustChange ? await stage(transport, held, entries) : pending
  // A kvno above the current one that the KDC does not have will never be one: no kvno is used twice.
  const dead = above.filter(entry => entry !== staged)
  const old = await oldKeys(
    text,
    round,
    entries.filter(({ kvno }) => kvno < current.kvno),
  )
  const dropped = [...dead, ...old.ended]
  const added = mustChange && staged !== undefined ? [staged] : []
  const drop = dropped.map(({ kvno }) => kvno)
  const left = [...added, ...entries.filter(entry => !dropped.includes(entry))]
  return {
    text: editKeytab(text, { principal, add: added, drop, ends: old.ends }),
    result: {
      keys: left as unknown as OwnKeys,
      logins: left.filter(({ kvno }) => kvno >= current.kvno) as unknown as OwnKeys,
      staged,
      firstEnd: Math.min(Number.POSITIVE_INFINITY, ...old.ends.values()),
      told: keys,
    },
  }
}

async function stage(
  transport: OwnTransport,
  held: KeytabEntry,
  entries: readonly KeytabEntry[],
): Promise<KeytabEntry> {
  const { kvno, salt } = await stageNextKey(transport, held.kvno)
  if (entries.some(entry => entry.kvno >= kvno)) {
    throw new OrthrusError(
      'malformed',
      `the KDC staged kvno ${kvno} of ${held.principal}, which is not a new one`,
      {
        principal: held.principal,
        hint: 'was the KDC restored from a backup? Then enrol this host again',
      },
    )
  }
  return { principal: held.principal, kvno, key: deriveNextKey(held.key, salt) }
}

interface OldKeys {
  readonly ends: ReadonlyMap<number, number>
  readonly ended: readonly KeytabEntry[]
}

/**
 * Old keys open tickets until the last one under them has ended. The KDC does not seal under them any more, so counted
 * from now that takes no longer than the longest life of a ticket.
 */
async function oldKeys(text: string, round: KeyRound, old: readonly KeytabEntry[]): Promise<OldKeys> {
  const { principal, transport, now } = round
  const noted = endsIn(text, principal)
  const isNew = old.some(({ kvno }) => !noted.has(kvno))
  const end = isNew ? now + (await longestLife(transport)) + CLOCKS_APART : now
  const ends = new Map(old.map(({ kvno }) => [kvno, noted.get(kvno) ?? end]))
  const ended = old.filter(({ kvno }) => (ends.get(kvno) ?? end) <= now)
  for (const { kvno } of ended) ends.delete(kvno)
  return { ends, ended }
}

function noCurrentKey({ principal, path }: KeyRound, kvno: number | undefined): OrthrusError {
  const name = localPart(principal)
  return new OrthrusError(
    'keytab_invalid',
    `the keytab ${path} does not have the current key of ${principal}`,
    {
      final: true,
      principal,
      ...(kvno === undefined ? {} : { kvno }),
      hint: `another copy of the keytab was used to change the key: use that one, or run: orthrus admin rotate ${name} --keytab FILE`,
    },
  )
}

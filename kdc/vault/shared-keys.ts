import { toHex } from '../../shared/bytes.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Member, Replica } from '../store/store.js'
import { markOf } from './backup-mac.js'
import type { MasterKeys } from './sealed-records.js'

/**
 * KDCs that share a store must all be able to read what each of them writes. Each tells the others by marks which master
 * keys it has; a mark says nothing of its key's bytes.
 */

/** What a KDC tells of its keys: the mark of the one that it seals under, and of the one before, if it has that. */
export function toldKeys({ current, previous }: MasterKeys): string {
  return [current, previous].flatMap(key => (key === undefined ? [] : toHex(markOf(key)))).join(' ')
}

/**
 * To be called with all KDCs that had a place when this one took its own; those that come later look at this one.
 * @throws OrthrusError `unavailable` if one of them could not read what this one writes, or the other way round
 */
export function requireSharedKeys(
  keys: MasterKeys,
  replica: Pick<Replica, 'id' | 'members'> | undefined,
): void {
  const own = toldKeys(keys).split(' ')
  for (const { id, marks } of tellingOthers(replica)) {
    if (!own.includes(marks[0] ?? '')) throw otherKey(id)
    if (!marks.includes(own[0] ?? '')) throw keyMissing(id)
  }
}

/**
 * To be called before records are sealed again under the current key: one that seals under another would go on to.
 * @throws OrthrusError `unavailable`
 */
export function requireSealedByAll({ current }: MasterKeys, members: readonly Member[]): void {
  const mark = toHex(markOf(current))
  for (const { id, marks } of tellingOthers({ id: '', members })) {
    if (marks[0] === mark) continue
    throw marks.includes(mark) ? stillSealing(id) : keyMissing(id)
  }
}

interface Telling {
  readonly id: string
  readonly marks: readonly string[]
}

/** One that tells nothing was started without keys, for a test or a command. */
function tellingOthers(replica: Pick<Replica, 'id' | 'members'> | undefined): Telling[] {
  const all = replica?.members ?? []
  return all
    .filter(({ id, told }) => id !== replica?.id && told !== '')
    .map(({ id, told }) => ({ id, marks: told.split(' ') }))
}

function otherKey(id: string): OrthrusError {
  return new OrthrusError(
    'unavailable',
    `the KDC ${id} of this realm seals records under a master key that this one does not have`,
    {
      final: true,
      hint: 'copy master.key from its machine; while the key is being changed, name the other one with --previous-master-key-file',
    },
  )
}

function keyMissing(id: string): OrthrusError {
  return new OrthrusError(
    'unavailable',
    `the KDC ${id} of this realm does not have the master key that this one would seal records under`,
    {
      final: true,
      hint: 'start each KDC with that key as --previous-master-key-file first, and only then one with it as its master key',
    },
  )
}

function stillSealing(id: string): OrthrusError {
  return new OrthrusError(
    'unavailable',
    `the KDC ${id} of this realm still seals records under the master key before`,
    {
      final: true,
      hint: 'start it with the new master key, and the key before as --previous-master-key-file; then run this again',
    },
  )
}

import { hash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readBackupFile } from '../../../cli/backup-file.js'
import { readBackup } from '../../../cli/checked-data.js'
import {
  encodeBackupRecord,
  encodeCounts,
  encodeManifest,
  FIRST_LINE,
} from '../../../kdc/upkeep/backup-form.js'
import { ReceivedBackup } from '../../../kdc/upkeep/received-backup.js'
import { proofOf } from '../../../kdc/vault/backup-mac.js'
import { MasterKey } from '../../../kdc/vault/master-key.js'
import {
  decodeBackupPiece,
  decodeBackupQuestion,
  encodeBackupPiece,
  encodeBackupQuestion,
} from '../../../shared/administration/backup.js'
import {
  decodeRotationQuestion,
  decodeRotationStep,
  encodeRotationQuestion,
  encodeRotationStep,
} from '../../../shared/administration/master-key.js'
import { concatBytes } from '../../../shared/bytes.js'
import { decode, encode } from '../../../shared/encoding/encoding.js'
import { parseRealm } from '../../../shared/principal.js'
import { asyncOutcomeOf, type Entry, outcomeOf, requireSame } from '../entry.js'

/** A backup, whose proof is made to fit: whoever has the master key may still have written anything. */

const KEY = new MasterKey(new Uint8Array(32).fill(3))

const body = concatBytes(
  new TextEncoder().encode(FIRST_LINE),
  encodeManifest({
    realm: parseRealm('demo.example'),
    logId: new Uint8Array(16),
    time: 1,
    schema: 1,
    version: '0.1.0',
    mark: new Uint8Array(8),
  }),
  encodeBackupRecord('policy', { name: 'a b', version: 1, value: new Uint8Array(50) }),
  encodeCounts({ realm: 0, principal: 0, policy: 1, revocation: 0 }),
)

export function backupEntries(): { entries: Entry[]; end: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'orthrus-fuzz-backup-'))
  return {
    entries: [whole(folder), calls, rotation],
    end: () => rmSync(folder, { recursive: true, force: true }),
  }
}

function whole(folder: string): Entry {
  const file = join(folder, 'backup')
  return {
    name: 'store: a backup with a right proof',
    form: 'bytes',
    // What reads a file takes the same for every one.
    floor: 1024 * 1024,
    seeds: [body],
    quick: 30,
    run: async (input, measure) => {
      const proof = proofOf(KEY, hash('sha256', input, 'buffer'))
      writeFileSync(file, concatBytes(input, proof))
      const bytes = await measure(() => readBackupFile(file))
      const decoded = await asyncOutcomeOf(() => measure(() => readBackup(file, KEY)), ['unavailable'])
      const received = await asyncOutcomeOf(async () => {
        const receiving = new ReceivedBackup()
        measure(() => receiving.add(bytes))
        receiving.end()
      }, ['malformed', 'unavailable'])
      return `${decoded} ${received}`
    },
  }
}

const calls: Entry = {
  name: 'administration: the calls of a backup',
  form: 'list',
  seeds: [encode(encodeBackupQuestion(7)), encode(encodeBackupPiece(new Uint8Array(9)))],
  run: (input, measure) =>
    outcomeOf(() => {
      const list = decode(input)
      if (typeof list[0] === 'number') {
        requireSame(encode(encodeBackupQuestion(measure(() => decodeBackupQuestion(list)))), input)
      } else requireSame(encode(encodeBackupPiece(measure(() => decodeBackupPiece(list)))), input)
    }, ['malformed']),
}

const rotation: Entry = {
  name: 'administration: the calls of a rotation of the master key',
  form: 'list',
  seeds: [
    encode(encodeRotationQuestion(['policy', 'a b'])),
    encode(encodeRotationQuestion(null)),
    encode(encodeRotationStep({ next: ['policy', ''], sealed: 3, kept: 'master.key.old' })),
  ],
  run: (input, measure) =>
    outcomeOf(() => {
      const list = decode(input)
      if (list.length === 1) {
        requireSame(encode(encodeRotationQuestion(measure(() => decodeRotationQuestion(list)))), input)
      } else requireSame(encode(encodeRotationStep(measure(() => decodeRotationStep(list)))), input)
    }, ['malformed']),
}

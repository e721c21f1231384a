import { readdir, unlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import type { Manifest } from '../kdc/upkeep/backup-form.js'
import type { ReceivedSummary } from '../kdc/upkeep/received-backup.js'
import type { RealmName } from '../shared/principal.js'
import { formatTime } from '../shared/time.js'
import { type ConnectionOptions, withAdminConnection } from './connection.js'
import { requireRealm } from './data-folder.js'
import { DEFAULT_DATA } from './defaults.js'
import { isFolder } from './is-folder.js'
import { addMasterKeyOptions, type MasterKeyArguments, masterKeysFor } from './master-key.js'
import { NewFile } from './new-file.js'
import { withRunningKdc } from './running-kdc.js'
import { addStoreOptions, etcdPlace, type StoreArguments } from './store-options.js'
import { answer, type Terminal } from './terminal.js'

interface BackupOptions extends ConnectionOptions, StoreArguments, Omit<MasterKeyArguments, 'data'> {
  readonly data?: string
  readonly keep?: number
}

/** `orthrus backup`: of a running KDC, or of a data folder that no KDC has open. */
export function backupCommand(terminal: Terminal): Command {
  const command = withAdminConnection(new Command('backup'))
    .description('write a backup of the realm, whose records stay sealed under its master key')
    .argument('<file>', 'a new file; in a folder the backup gets a name of its own')
    .option('--data <dir>', 'the data folder, if no KDC is running; otherwise the running KDC is asked')
    .option(
      '--keep <number>',
      'keep this many backups of the realm in the folder, and remove older ones',
      parseKeep,
    )
  return addStoreOptions(addMasterKeyOptions(command)).action((file: string, options: BackupOptions) =>
    backup(terminal, file, options),
  )
}

function parseKeep(text: string): number {
  if (!/^[1-9][0-9]{0,4}$/.test(text)) throw new InvalidArgumentError('Write a number of backups, as 30.')
  return Number(text)
}

async function backup(terminal: Terminal, path: string, options: BackupOptions): Promise<void> {
  const folder = (await isFolder(path)) ? path : undefined
  if (folder === undefined && options.keep !== undefined)
    throw new TypeError('--keep removes older backups in a folder: name a folder, and not a file')
  const written = await withPieces(terminal, options, pieces => write(path, folder, pieces))
  const removed =
    folder === undefined || options.keep === undefined
      ? []
      : await removeOlder(folder, written.manifest.realm, options.keep)
  const { manifest, counts, file } = written
  const { realm, time, version, schema } = manifest
  const records = Object.values(counts).reduce((sum, count) => sum + count, 0)
  const text = [
    `wrote ${file}: ${realm} at ${formatTime(time)}, ${counts.principal} principals, ${records} records in all`,
    ...removed.map(name => `removed ${name}`),
    'it opens only with the master key of the realm: keep the two apart',
  ]
  answer(terminal, options, { file, realm, time, version, schema, counts, removed }, text.join('\n'))
}

type Written = ReceivedSummary & { readonly file: string }

/** Where the bytes come from: the running KDC, or the data folder. */
async function withPieces<T>(
  terminal: Terminal,
  options: BackupOptions,
  use: (pieces: AsyncIterable<Uint8Array>) => Promise<T>,
): Promise<T> {
  const { data } = options
  const place = options.store === undefined ? undefined : await etcdPlace(options, terminal.env)
  if (place !== undefined) {
    const keys = await masterKeysFor({ ...options, data: data ?? DEFAULT_DATA }, terminal.env)
    try {
      const { storeAt } = await import('./etcd-store.js')
      const { piecesOf } = await import('./data-backup.js')
      return await use(piecesOf(await storeAt(place, options, terminal.env), keys))
    } finally {
      keys.erase()
    }
  }
  if (data === undefined)
    return withRunningKdc(terminal, options, administration => use(administration.backup()))
  await requireRealm(data)
  const { piecesOfFolder } = await import('./data-backup.js')
  const keys = await masterKeysFor({ ...options, data }, terminal.env)
  try {
    return await use(piecesOfFolder(data, keys))
  } finally {
    keys.erase()
  }
}

async function write(
  path: string,
  folder: string | undefined,
  pieces: AsyncIterable<Uint8Array>,
): Promise<Written> {
  const { ReceivedBackup } = await import('../kdc/upkeep/received-backup.js')
  const received = new ReceivedBackup()
  const file = await NewFile.begin(folder === undefined ? path : join(folder, 'backup'))
  try {
    for await (const piece of pieces) {
      received.add(piece)
      await file.write(piece)
    }
    const summary = received.end()
    const name = folder === undefined ? path : join(folder, nameOf(summary.manifest))
    await file.finish(name)
    return { ...summary, file: name }
  } catch (cause) {
    await file.abandon()
    throw cause
  }
}

/** Names of one realm sort as their times do. */
function nameOf({ realm, time }: Manifest): string {
  return `${realm}-${new Date(time).toISOString().replaceAll(':', '-')}.backup`
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z\.backup$/

/** Touches nothing but files that this command has named for the same realm. */
async function removeOlder(folder: string, realm: RealmName, keep: number): Promise<string[]> {
  const names = await readdir(folder)
  const own = names.filter(name => name.startsWith(`${realm}-`) && TIME.test(name.slice(realm.length + 1)))
  const older = own.sort().slice(0, -keep)
  for (const name of older) await unlink(join(folder, basename(name)))
  return older.map(name => join(folder, name))
}

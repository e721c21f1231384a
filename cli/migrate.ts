import { Command, InvalidArgumentError } from 'commander'
import type { MoveReport } from '../kdc/upkeep/move-realm.js'
import { hasSecret } from '../shared/shown-text.js'
import { movedDatabaseIn } from './data-folder.js'
import { addMasterKeyOptions, type MasterKeyArguments, masterKeysFor } from './master-key.js'
import { addEtcdOptions, type EtcdArguments, type EtcdPlace, etcdPlace } from './store-options.js'
import { answer, type Terminal } from './terminal.js'

/** One end of a move, as it is written. */
type Place = { readonly folder: string } | { readonly url: string }

interface MigrateArguments extends Omit<MasterKeyArguments, 'data'>, EtcdArguments {
  readonly from: Place
  readonly to: Place
  readonly json?: boolean
}

/** `orthrus migrate`: moves a realm between a data folder and etcd. Its KDCs are ended before. */
export function migrateCommand(terminal: Terminal): Command {
  const command = new Command('migrate')
    .description('move a realm between a data folder and etcd, with its keys, tickets and revocations')
    .requiredOption(
      '--from <place>',
      'level:DIR or etcds://HOST:PORT/orthrus/REALM; no KDC may be running on it',
      parsePlace,
    )
    .requiredOption('--to <place>', 'the other of the two, where there is no realm yet', parsePlace)
  return addEtcdOptions(addMasterKeyOptions(command))
    .option('--json', 'answer in JSON')
    .action((options: MigrateArguments) => migrate(terminal, options))
}

const LEVEL = 'level:'

function parsePlace(text: string): Place {
  if (text.startsWith(LEVEL) && text.length > LEVEL.length) return { folder: text.slice(LEVEL.length) }
  if (!/^etcds?:\/\//.test(text) || text.includes('@') || hasSecret(text)) {
    throw new InvalidArgumentError('Write level:DIR, or etcds://HOST:PORT/orthrus/REALM without a password.')
  }
  return { url: text }
}

async function migrate(terminal: Terminal, options: MigrateArguments): Promise<void> {
  const { from, to } = options
  const isUp = 'folder' in from
  const folder = 'folder' in from ? from.folder : 'folder' in to ? to.folder : undefined
  const url = 'url' in from ? from.url : 'url' in to ? to.url : undefined
  if (folder === undefined || url === undefined) {
    throw new TypeError('one of --from and --to is a data folder (level:DIR), and the other one is on etcd')
  }
  const store = await etcdPlace({ ...options, store: url }, terminal.env)
  if (store === undefined) throw new TypeError('no place on etcd')
  const keys = await masterKeysFor({ ...options, data: folder }, terminal.env)
  const { etcdAt } = await import('./etcd-store.js')
  const etcd = await etcdAt(store, options, terminal.env)
  try {
    const { moveToEtcd, moveToFolder } = await import('./moved-data.js')
    const move = isUp ? moveToEtcd : moveToFolder
    const progress = (records: number): void => {
      if (options.json !== true) terminal.err(`${records} records\n`)
    }
    const report = await move({ folder, prefix: store.prefix, etcd, keys, progress: every(10_000, progress) })
    tell(terminal, options, { report, isUp, folder, store })
  } finally {
    await etcd.close()
    keys.erase()
  }
}

/** Calls on with each multiple of `step` that is passed. */
function every(step: number, call: (count: number) => void): (count: number) => void {
  let next = step
  return count => {
    if (count < next) return
    next = count - (count % step) + step
    call(count)
  }
}

interface Moved {
  readonly report: MoveReport
  readonly isUp: boolean
  readonly folder: string
  readonly store: EtcdPlace
}

function tell(terminal: Terminal, options: MigrateArguments, { report, isUp, folder, store }: Moved): void {
  const { realm, records, written } = report
  const moved = movedDatabaseIn(folder)
  const [from, to] = isUp ? [folder, store.url] : [store.url, folder]
  const text = [
    `moved ${realm} from ${from} to ${to}: ${records} records, each read again and compared`,
    ...(written < records ? [`${records - written} of them were there already, from an earlier move`] : []),
    ...(isUp
      ? [
          `${moved} has what the folder had, keys included: delete it once the realm is served and backed up`,
          `next: orthrus kdc --data ${folder} --store ${store.url}`,
          '  and the same on other machines, each with its own copy of the master key',
        ]
      : [
          `what ${store.url} has is served no more: delete it once the realm is served and backed up`,
          `next: orthrus kdc --data ${folder}`,
        ]),
  ]
  answer(terminal, options, { realm, from, to, records, written }, text.join('\n'))
}

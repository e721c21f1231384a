import { Command } from 'commander'
import type { Store } from '../kdc/store/store.js'
import type { CheckReport } from '../kdc/upkeep/check.js'
import type { RestoreReport } from '../kdc/upkeep/restore.js'
import { OrthrusError } from '../shared/errors.js'
import { exists } from '../shared/folder.node.js'
import { formatTime } from '../shared/time.js'
import { defaulted } from './arguments.js'
import { filesIn } from './data-folder.js'
import { DEFAULT_DATA } from './defaults.js'
import { CommandFailed } from './failure.js'
import { addMasterKeyOptions, type MasterKeyArguments, masterKeyFor } from './master-key.js'
import { addStoreOptions, type EtcdPlace, etcdPlace, type StoreArguments } from './store-options.js'
import { answer, type Terminal, table, warn } from './terminal.js'

interface RestoreOptions extends MasterKeyArguments, StoreArguments {
  readonly newAdminKeytab?: boolean
  readonly json?: boolean
}

/** `orthrus restore`: makes the database of a realm from a backup, in a folder that has none. */
export function restoreCommand(terminal: Terminal): Command {
  const command = new Command('restore')
    .description('make the database of a realm from a backup, and say who has to be enrolled again')
    .argument('<file>', 'a backup')
    .addOption(
      defaulted('--data <dir>', 'a folder without a database, with the master.key of then', DEFAULT_DATA),
    )
    .option('--new-admin-keytab', 'give admin a fresh key, and write it to admin.keytab in the folder')
    .option('--json', 'answer in JSON')
  return addStoreOptions(addMasterKeyOptions(command)).action((file: string, options: RestoreOptions) =>
    restore(terminal, file, options),
  )
}

async function restore(terminal: Terminal, file: string, options: RestoreOptions): Promise<void> {
  const { data, newAdminKeytab = false } = options
  const place = await etcdPlace(options, terminal.env)
  const { alreadyThere } = await import('../kdc/upkeep/restore.js')
  const { removeInterrupted } = await import('./new-database.js')
  // One that ended right after its database was in place left another link to the keytab.
  await removeInterrupted(data)
  if (place === undefined && (await exists(filesIn(data).database))) throw alreadyThere(data)
  if (newAdminKeytab) await requireNoKeytab(data)
  const { readBackup, checkBackup } = await import('./checked-data.js')
  const masterKey = await masterKeyFor(options, terminal.env)
  try {
    const backup = await readBackup(file, masterKey)
    warnOf(terminal, options, await checkBackup(backup, masterKey))
    const { restoreData, restoreToStore } = await import('./restore-data.js')
    const restoring = { backup, masterKey, folder: data, freshAdmin: newAdminKeytab }
    const report =
      place === undefined
        ? await restoreData(restoring)
        : await restoreToStore(await storeOf(terminal, options, place), restoring)
    tell(terminal, options, file, place, report)
  } finally {
    masterKey.erase()
  }
}

async function storeOf({ env }: Terminal, options: RestoreOptions, place: EtcdPlace): Promise<Store> {
  const { storeAt } = await import('./etcd-store.js')
  return await storeAt(place, options, env)
}

/** One that an interrupted restore left is removed by now. */
async function requireNoKeytab(folder: string): Promise<void> {
  const path = filesIn(folder).adminKeytab
  if (!(await exists(path))) return
  throw new OrthrusError('keytab_invalid', `the keytab ${path} exists already`, {
    final: true,
    hint: 'leave --new-admin-keytab out, or move the file away if its key is lost',
  })
}

/** A record that cannot be read would be missing afterwards. What records say of each other is no reason not to go on. */
function warnOf(terminal: Terminal, options: RestoreOptions, { found, faults, realm }: CheckReport): void {
  if (realm === undefined) throw new CommandFailed('the backup has no realm: use another one')
  for (const { about, fault } of faults.slice(0, 20)) warn(terminal, options, `${about}: ${fault}`)
  if (found > 0) warn(terminal, options, `${found} faults were in the realm when the backup was made`)
}

function tell(
  terminal: Terminal,
  options: RestoreOptions,
  file: string,
  place: EtcdPlace | undefined,
  report: RestoreReport,
): void {
  const { realm, time, principals, enrol, withdrawn, admin } = report
  const { data } = options
  const { adminKeytab } = filesIn(data)
  const rows = enrol.map(({ principal, reason }) => [`  ${principal}`, reason])
  const text = [
    `restored ${realm} as it was at ${formatTime(time)} into ${place?.url ?? data}: ${principals} principals`,
    ...(admin === undefined ? [] : [`wrote ${adminKeytab}: every other key of ${admin.principal} is dead`]),
    'every ticket from before the backup is refused; hosts log in again by themselves',
    ...(rows.length === 0
      ? []
      : ['these may have another key than the backup has: enrol them again', table(rows)]),
    ...(withdrawn.length === 0 ? [] : ['withdrawn invitations:', ...withdrawn.map(name => `  ${name}`)]),
    `what changed after ${formatTime(time)} is lost: enrol again who changed its key since (orthrus admin invite NAME),`,
    'and repeat what was revoked, disabled or removed since',
    `next: orthrus kdc --data ${data}${place === undefined ? '' : ` --store ${place.url}`}`,
  ]
  const told = { realm, data, time, principals, enrol, withdrawn, adminKeytab: admin && adminKeytab }
  answer(terminal, options, { file, ...told }, text.join('\n'))
}

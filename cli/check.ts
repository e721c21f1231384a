import { Command } from 'commander'
import type { CheckReport } from '../kdc/upkeep/check.js'
import type { MasterKeys } from '../kdc/vault/sealed-records.js'
import { defaulted } from './arguments.js'
import { DEFAULT_DATA } from './defaults.js'
import { CommandFailed } from './failure.js'
import { addMasterKeyOptions, type MasterKeyArguments, masterKeysFor } from './master-key.js'
import { addStoreOptions, type EtcdPlace, etcdPlace, type StoreArguments } from './store-options.js'
import { answer, note, type Terminal } from './terminal.js'

interface CheckOptions extends MasterKeyArguments, StoreArguments {
  readonly json?: boolean
}

/** `orthrus check`: of a data folder, also while its KDC runs, of a copy of one, or of a backup. */
export function checkCommand(terminal: Terminal): Command {
  const command = new Command('check')
    .description(
      'open every record of a realm and check what they say of each other, without writing anything',
    )
    .argument('[file]', 'a backup; otherwise the data folder is checked')
    .addOption(defaulted('--data <dir>', 'the data folder, or a copy of it', DEFAULT_DATA))
    .option('--json', 'answer in JSON')
  return addStoreOptions(addMasterKeyOptions(command)).action(
    (file: string | undefined, options: CheckOptions) => check(terminal, file, options),
  )
}

async function check(terminal: Terminal, file: string | undefined, options: CheckOptions): Promise<void> {
  const keys = await masterKeysFor(options, terminal.env)
  try {
    const { checkBackupFile, checkFolder } = await import('./checked-data.js')
    const place = file === undefined ? await etcdPlace(options, terminal.env) : undefined
    const report =
      file !== undefined
        ? await checkBackupFile(file, keys.current)
        : place !== undefined
          ? await checkEtcd(terminal, options, place, keys)
          : await checkFolder(options.data, keys)
    tell(terminal, options, file ?? place?.url ?? options.data, report)
    if (report.found > 0) throw new CommandFailed()
  } finally {
    keys.erase()
  }
}

async function checkEtcd(
  { env }: Terminal,
  options: CheckOptions,
  place: EtcdPlace,
  keys: MasterKeys,
): Promise<CheckReport> {
  const { storeAt } = await import('./etcd-store.js')
  const { checkStore } = await import('./checked-data.js')
  return await checkStore(await storeAt(place, options, env), keys)
}

function tell(terminal: Terminal, options: CheckOptions, what: string, report: CheckReport): void {
  const { realm, counts, found, faults, notes } = report
  const records = Object.entries(counts).map(([kind, count]) => `${count} ${kind}`)
  const rest = found - faults.length
  const lines = faults.flatMap(({ about, fault, hint }) => [`${about}: ${fault}`, `  ${hint}`])
  const end =
    found === 0 ? 'no fault was found' : `${found} ${found === 1 ? 'fault was' : 'faults were'} found`
  const text = [
    ...lines,
    ...(rest > 0 ? [`and ${rest} more`] : []),
    `${what}: ${realm ?? 'no realm'}, records: ${records.join(', ')}; ${end}`,
  ]
  answer(terminal, options, { checked: what, ...report }, text.join('\n'))
  if (options.json !== true) for (const told of notes) note(terminal, options, told)
}

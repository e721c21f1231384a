import { Command } from 'commander'
import type { RotationStep } from '../shared/administration/master-key.js'
import { type ConnectionOptions, withAdminConnection, withAdministration } from './connection.js'
import { requireRealm } from './data-folder.js'
import { addMasterKeyOptions, type MasterKeyArguments, masterKeysFor } from './master-key.js'
import { answer, type Terminal } from './terminal.js'

interface RotateOptions extends ConnectionOptions, Omit<MasterKeyArguments, 'data'> {
  readonly data?: string
}

/** `orthrus master-key`: what becomes of the key that seals the database. */
export function masterKeyCommand(terminal: Terminal): Command {
  return new Command('master-key')
    .description('change the master key of a realm')
    .addCommand(rotateCommand(terminal))
}

function rotateCommand(terminal: Terminal): Command {
  const command = withAdminConnection(new Command('rotate'))
    .description(
      'seal every record under a new master key, while the KDC runs; run it again if it was interrupted',
    )
    .option('--data <dir>', 'the data folder, if no KDC is running; otherwise the running KDC is asked')
  return addMasterKeyOptions(command).action((options: RotateOptions) => rotate(terminal, options))
}

async function rotate(terminal: Terminal, options: RotateOptions): Promise<void> {
  const { data } = options
  const { sealed, kept } =
    data === undefined
      ? await withAdministration(terminal, options, administration => last(administration.rotateMasterKey()))
      : await offline(terminal, { ...options, data })
  const text = [
    `the realm has a new master key; ${sealed} records were sealed under it, and the old tables are gone`,
    ...(kept === null
      ? [
          'the key before opens nothing in the database any more: start the KDC without --previous-master-key-file',
        ]
      : [`the key before is ${kept}, on the machine of the KDC; nothing in the database opens with it`]),
    'backups from before open only with the key before: make a new one (orthrus backup FILE), then destroy both',
    ...(kept === null ? [] : ['keep a copy of the new key apart from the backups']),
  ]
  answer(terminal, options, { sealed, kept }, text.join('\n'))
}

async function offline(
  terminal: Terminal,
  options: MasterKeyArguments,
): Promise<{ readonly sealed: number; readonly kept: string | null }> {
  await requireRealm(options.data)
  const { rotateFolder } = await import('./data-rotation.js')
  const keys = await masterKeysFor(options, terminal.env)
  try {
    return await last(rotateFolder(options.data, keys))
  } finally {
    keys.erase()
  }
}

async function last(
  steps: AsyncIterable<RotationStep>,
): Promise<{ readonly sealed: number; readonly kept: string | null }> {
  let sealed = 0
  let kept: string | null = null
  for await (const step of steps) {
    sealed += step.sealed
    kept = step.kept
  }
  return { sealed, kept }
}

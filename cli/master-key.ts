import { type Command, InvalidArgumentError } from 'commander'
import type { MasterKey } from '../kdc/vault/master-key.js'
import type { MasterKeySource } from '../kdc/vault/master-key-source.js'
import type { MasterKeys } from '../kdc/vault/sealed-records.js'
import { hasSecret } from '../shared/shown-text.js'
import { filesIn } from './data-folder.js'
import type { Terminal } from './terminal.js'

/** Where the master key comes from, for every command that opens the data. */

export interface MasterKeyArguments {
  readonly data: string
  readonly masterKeyFile?: string
  readonly masterKeyCommand?: readonly string[]
  readonly previousMasterKeyFile?: string
  readonly allowReadableMasterKey?: boolean
}

/** The options of a command that opens the data of a realm. */
export function addMasterKeyOptions(command: Command): Command {
  return command
    .option('--master-key-file <file>', 'the master key, if not master.key in the data folder')
    .option(
      '--master-key-command <words>',
      'a program that prints the master key, with its arguments; no shell reads them',
      parseWords,
    )
    .option(
      '--previous-master-key-file <file>',
      'the key before, while orthrus master-key rotate has not sealed everything under the new one',
    )
    .option(
      '--allow-readable-master-key',
      'accept a file with the master key that others can read, as containers mount secrets',
    )
}

/** What a shell would read in a special way, and this does not. */
const OF_SHELLS = /["'`\\$|&;<>()*?~#]/

/** Words at single spaces, as they are. */
function parseWords(text: string): readonly string[] {
  if (hasSecret(text)) throw new InvalidArgumentError('Write a program that prints the key, and not the key.')
  const odd = OF_SHELLS.exec(text)?.[0]
  if (odd !== undefined) {
    throw new InvalidArgumentError(
      `Write a program and its arguments with spaces between. No shell reads them, so ${odd} means nothing: put what needs it into a script.`,
    )
  }
  const words = text.split(' ').filter(word => word !== '')
  if (words.length === 0) throw new InvalidArgumentError('Write a program, and its arguments.')
  return words
}

/**
 * A variable counts where its option is not given: `ORTHRUS_MASTER_KEY_FILE`, `ORTHRUS_MASTER_KEY_COMMAND`.
 * @throws TypeError if two sources are named
 */
export async function masterKeySourceFor(
  options: MasterKeyArguments,
  env: Terminal['env'],
): Promise<MasterKeySource> {
  const { masterKeySource } = await import('../kdc/vault/master-key-source.js')
  const choice = {
    usualFile: filesIn(options.data).masterKey,
    file: options.masterKeyFile ?? variable(env, 'ORTHRUS_MASTER_KEY_FILE', text => text),
    command: options.masterKeyCommand ?? variable(env, 'ORTHRUS_MASTER_KEY_COMMAND', parseWords),
    allowReadable: options.allowReadableMasterKey,
  }
  return await masterKeySource(choice, env)
}

/** An empty variable counts as not set, as everywhere. @throws TypeError that names the variable */
function variable<T>(env: Terminal['env'], name: string, parse: (text: string) => T): T | undefined {
  const text = env[name]
  if (text === undefined || text === '') return undefined
  try {
    return parse(text)
  } catch (cause) {
    throw cause instanceof InvalidArgumentError ? new TypeError(`${name}: ${cause.message}`) : cause
  }
}

/**
 * Reads the master key from where the options, the variables or systemd say that it is. Erase it when the data are
 * closed: `MasterKey.erase`.
 * @throws TypeError if two sources are named, OrthrusError `keytab_invalid` if there is no master key
 */
export async function masterKeyFor(options: MasterKeyArguments, env: Terminal['env']): Promise<MasterKey> {
  return await masterKeyFrom(await masterKeySourceFor(options, env), env)
}

export async function masterKeyFrom(source: MasterKeySource, env: Terminal['env']): Promise<MasterKey> {
  const { MASTER_KEY_VARIABLE, openMasterKey } = await import('../kdc/vault/master-key-source.js')
  const key = await openMasterKey(source, env)
  // Programs that this one starts do not get it. Where the system shows the variables of a process, it stays to be seen.
  if (env === process.env) delete process.env[MASTER_KEY_VARIABLE]
  return key
}

/** The keys that open the data, and where the first of them may be changed. */
export interface FoundMasterKeys extends MasterKeys {
  /** Where a rotation keeps the keys; `undefined` if its owner does. */
  readonly file: string | undefined
  /** Overwrites them in memory, when the data are closed. */
  erase(): void
}

/**
 * As `masterKeyFor`, with the key before while a rotation goes on: the next one is beside the file of the present one,
 * or `--previous-master-key-file` names the one before.
 * @throws as `masterKeyFor` does
 */
export async function masterKeysFor(
  options: MasterKeyArguments,
  env: Terminal['env'],
): Promise<FoundMasterKeys> {
  return await masterKeysFrom(await masterKeySourceFor(options, env), options, env)
}

/** As `masterKeysFor`, from a source that was chosen. */
export async function masterKeysFrom(
  source: MasterKeySource,
  options: MasterKeyArguments,
  env: Terminal['env'],
): Promise<FoundMasterKeys> {
  const before =
    options.previousMasterKeyFile ?? variable(env, 'ORTHRUS_PREVIOUS_MASTER_KEY_FILE', text => text)
  if (source.kind === 'file' && before === undefined) {
    const { readMasterKeys } = await import('../kdc/vault/master-key-place.js')
    const { path, allowReadable } = source
    return found(await readMasterKeys(path, { allowReadableMasterKey: allowReadable }), path)
  }
  const current = await masterKeyFrom(source, env)
  if (before === undefined) return found({ current, previous: undefined }, undefined)
  const { readMasterKey } = await import('../kdc/vault/master-key.js')
  const allowReadableMasterKey = options.allowReadableMasterKey === true
  return found({ current, previous: await readMasterKey(before, { allowReadableMasterKey }) }, undefined)
}

function found({ current, previous }: MasterKeys, file: string | undefined): FoundMasterKeys {
  const erase = (): void => {
    current.erase()
    previous?.erase()
  }
  return { current, previous, file, erase }
}

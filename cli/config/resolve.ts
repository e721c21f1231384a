import type { Command } from 'commander'
import type { Limits } from '../../kdc/limits/defaults.js'
import { nearestOf } from '../../shared/options.js'
import { quoted } from '../../shared/shown-text.js'
import type { Terminal } from '../terminal.js'
import { readSettingsFile, type Table } from './file.js'
import { type InForce, placeFlag, placeLimit, present, type Sources, type WrittenLimits } from './place.js'
import { FILE_VARIABLE, flagSettings, limitSettings } from './settings.js'
import type { TypedValues } from './typed-values.js'
import { requireNoMisspelt } from './variables.js'
import { kindOf } from './written.js'

/**
 * Puts the settings of a command together: a flag counts most, then a variable, then the file, then the default. Each is
 * read by the same parser wherever it is written.
 */

export interface Configuration {
  readonly settings: readonly InForce[]
  readonly limits: Partial<Limits>
}

/**
 * Gives the command's options the values of variables and of the file, where no flag was given.
 * @throws TypeError that names the file or variable, and the key, for what does not exist or cannot be read
 * @throws OrthrusError `unavailable` if the file cannot be read, or others may write it
 */
export async function configure(
  command: Command,
  typed: TypedValues,
  env: Terminal['env'],
): Promise<Configuration> {
  const path: string | undefined = command.opts().config ?? present(env, FILE_VARIABLE)
  const table = path === undefined ? {} : await readSettingsFile(path)
  const sources: Sources = { command, typed, env, path, table }
  const [flags, limits] = [flagSettings(command), limitSettings()]
  requireNoMisspelt(
    env,
    [...flags, ...limits].map(({ variable }) => variable),
  )
  requireKnown(path, table, [...flags.map(({ key }) => key), 'limits'])
  const limitTable = limitsIn(path, table)
  requireKnown(
    path,
    limitTable,
    limits.map(({ key }) => key),
    'limits.',
  )
  const values: WrittenLimits = {}
  const settings = [
    ...flags.map(setting => placeFlag(sources, setting)),
    ...limits.map(setting => placeLimit(sources, setting, limitTable, values)),
  ]
  return { settings, limits: values as Partial<Limits> }
}

function limitsIn(path: string | undefined, { limits = {} }: Table): Table {
  if (typeof limits !== 'object' || limits === null || Array.isArray(limits))
    throw new TypeError(`${path}: limits is a table, [limits], not ${kindOf(limits)}`)
  return limits as Table
}

function requireKnown(path: string | undefined, table: Table, keys: readonly string[], within = ''): void {
  const limits = limitSettings().map(({ key }) => key)
  for (const key of Object.keys(table)) {
    if (keys.includes(key)) continue
    const nearest = limits.includes(key) ? `limits.${key}` : nearestOf(key, keys)
    const advice =
      nearest === undefined ? `there are ${keys.join(', ')}` : `did you mean ${within}${nearest}?`
    throw new TypeError(`${path}: ${within}${quoted(key, 40).slice(1, -1)} does not exist; ${advice}`)
  }
}

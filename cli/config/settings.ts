import type { Command, Option } from 'commander'
import { RepeatedOption } from '../arguments.js'
import { keyOfLimit, LIMIT_NAMES, type LimitName } from './limits.js'

/**
 * The settings of a command: each of its flags has an entry in the file and a variable, both named after it, and each
 * limit has an entry in `[limits]`.
 */

/** How a flag is written in the file: `true`, a text, or a list of texts for one that may be repeated. */
export type Shape = 'switch' | 'text' | 'list'

export interface FlagSetting {
  /** In the file. */
  readonly key: string
  readonly variable: string
  readonly shape: Shape
  readonly option: Option
}

export interface LimitSetting {
  /** In the file, within `[limits]`. */
  readonly key: string
  readonly variable: string
  readonly name: LimitName
}

/** Says where the settings are, and how an answer is printed, and so is no setting. */
const NO_SETTINGS: ReadonlySet<string> = new Set(['--config', '--print-config', '--json', '--help'])

/** Stands in `[limits]`, as all limits do, and has a flag because it is changed the most. */
export const LIMIT_WITH_FLAG = { flag: '--connections', name: 'connections' } as const

/** The variable that names the file of settings. */
export const FILE_VARIABLE = 'ORTHRUS_CONFIG'

export function flagSettings(command: Command): FlagSetting[] {
  return command.options
    .filter(({ long }) => !NO_SETTINGS.has(long ?? '') && long !== LIMIT_WITH_FLAG.flag)
    .map(option => {
      const key = (option.long ?? '').replace(/^--/, '')
      return { key, variable: variableOf(key), shape: shapeOf(option), option }
    })
}

export function limitSettings(): LimitSetting[] {
  return LIMIT_NAMES.map(name => {
    const key = keyOfLimit(name)
    return { key, variable: variableOf(`limits-${key}`), name }
  })
}

function variableOf(key: string): string {
  return `ORTHRUS_${key.toUpperCase().replaceAll('-', '_')}`
}

function shapeOf(option: Option): Shape {
  if (!option.required && !option.optional) return 'switch'
  return option instanceof RepeatedOption ? 'list' : 'text'
}

import { type Command, InvalidArgumentError, type Option } from 'commander'
import type { Limits, Rate } from '../../kdc/limits/defaults.js'
import { quoted } from '../../shared/shown-text.js'
import type { Terminal } from '../terminal.js'
import type { Table } from './file.js'
import { defaultLimitText, LIMITS, limitFrom, limitText, WrongLimit } from './limits.js'
import { type FlagSetting, LIMIT_WITH_FLAG, type LimitSetting } from './settings.js'
import type { TypedValues } from './typed-values.js'
import { kindOf } from './written.js'

/** Finds for one setting where it is written, reads it there, and says so. */

/** Where a value comes from: the flag, the variable, the file, or the default. */
export type Source = 'flag' | 'variable' | 'file' | 'default'

/** One setting that is in force. */
export interface InForce {
  /** In the file; those of limits begin with `limits.`. */
  readonly key: string
  /** As it is written in the file; `undefined` if there is none. */
  readonly value: boolean | number | string | readonly string[] | undefined
  readonly source: Source
  /** What the source is called: the flag, the variable, the path of the file. */
  readonly from: string
}

export interface Sources {
  readonly command: Command
  readonly typed: TypedValues
  readonly env: Terminal['env']
  readonly path: string | undefined
  readonly table: Table
}

/** What is written of the limits. */
export type WrittenLimits = Partial<Record<keyof Limits, number | Rate>>

/** An empty variable counts as not set, as everywhere. */
export function present(env: Terminal['env'], variable: string): string | undefined {
  const text = env[variable]
  return text === '' ? undefined : text
}

/** Gives the option of the command its value. @throws TypeError */
export function placeFlag(sources: Sources, setting: FlagSetting): InForce {
  const { command, typed, env, path, table } = sources
  const { key, variable, option } = setting
  const name = option.attributeName()
  const flag = option.long ?? key
  const set = (parsed: unknown) => command.setOptionValueWithSource(name, parsed, 'config')
  if (command.getOptionValueSource(name) === 'cli')
    return { key, value: textsOf(setting, typed.of(name)), source: 'flag', from: flag }
  const written = present(env, variable)
  if (written !== undefined) {
    const value = fromVariable(setting, written)
    set(parsedFrom(setting, value, `${variable}:`))
    return { key, value, source: 'variable', from: variable }
  }
  if (Object.hasOwn(table, key)) {
    const value = table[key]
    set(parsedFrom(setting, value, `${path}: ${key}`))
    return { key, value: value as InForce['value'], source: 'file', from: path ?? '' }
  }
  return { key, value: defaultOf(setting), source: 'default', from: 'default' }
}

/** The texts of a flag as they are written in the file. */
function textsOf({ shape }: FlagSetting, texts: readonly string[]): InForce['value'] {
  if (shape === 'switch') return true
  return shape === 'list' ? texts : texts.at(-1)
}

function defaultOf({ shape, option }: FlagSetting): InForce['value'] {
  if (shape === 'switch') return false
  if (shape === 'list') return []
  return option.defaultValueDescription ?? (option.defaultValue as string | undefined)
}

function fromVariable({ shape, variable }: FlagSetting, text: string): boolean | string | readonly string[] {
  if (shape === 'list') return text.split(',').map(item => item.trim())
  if (shape === 'text') return text
  if (text === 'true' || text === 'false') return text === 'true'
  throw new TypeError(`${variable}: write true or false, not ${quoted(text, 40)}`)
}

/** @param where the variable, or the file and the key @returns what the option's own parser makes of it @throws TypeError */
function parsedFrom({ shape, option }: FlagSetting, value: unknown, where: string): unknown {
  if (shape === 'switch') {
    if (typeof value === 'boolean') return value
    throw new TypeError(`${where} is true or false, not ${kindOf(value)}`)
  }
  if (shape === 'text') {
    if (typeof value === 'string') return parsedBy(option, value, undefined, where)
    throw new TypeError(`${where} is a text in quotes, not ${kindOf(value)}`)
  }
  if (!Array.isArray(value) || value.some(item => typeof item !== 'string'))
    throw new TypeError(`${where} is a list of texts, as ["a", "b"], not ${kindOf(value)}`)
  return value.reduce<unknown>((before, item) => parsedBy(option, item, before, where), undefined)
}

type Parse = (text: string, before: unknown) => unknown

function parsedBy(option: Option, text: string, before: unknown, where: string): unknown {
  if (text === '') throw new TypeError(`${where} has an empty value`)
  const { parseArg } = option as { parseArg?: Parse }
  try {
    return parseArg === undefined ? text : parseArg(text, before)
  } catch (cause) {
    if (!(cause instanceof InvalidArgumentError)) throw cause
    throw new TypeError(`${where} cannot be ${quoted(text)}. ${cause.message}`)
  }
}

/** Adds the limit to `limits`, if it is written anywhere. @throws TypeError */
export function placeLimit(
  { command, env, path }: Sources,
  { key, variable, name }: LimitSetting,
  table: Table,
  limits: WrittenLimits,
): InForce {
  const inForce = (written: unknown, source: Source, from: string, where: string): InForce => {
    const limit = limitOf(name, written, where)
    limits[name] = limit
    return { key: `limits.${key}`, value: limitText(limit, LIMITS[name]), source, from }
  }
  if (name === LIMIT_WITH_FLAG.name && command.getOptionValueSource(name) === 'cli')
    return inForce(command.getOptionValue(name), 'flag', LIMIT_WITH_FLAG.flag, LIMIT_WITH_FLAG.flag)
  const text = present(env, variable)
  if (text !== undefined) return inForce(text, 'variable', variable, `${variable}:`)
  if (Object.hasOwn(table, key)) return inForce(table[key], 'file', path ?? '', `${path}: limits.${key}`)
  return { key: `limits.${key}`, value: defaultLimitText(name), source: 'default', from: 'default' }
}

function limitOf(name: keyof Limits, written: unknown, where: string): number | Rate {
  try {
    return limitFrom(name, written)
  } catch (cause) {
    throw cause instanceof WrongLimit ? new TypeError(`${where} ${cause.message}`) : cause
  }
}

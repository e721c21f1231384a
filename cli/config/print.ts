import { type MasterKeySource, toldSource } from '../../kdc/vault/master-key-source.js'
import { printableLine } from '../../shared/printable.js'
import { type MasterKeyArguments, masterKeySourceFor } from '../master-key.js'
import { answer, type Terminal } from '../terminal.js'
import type { InForce } from './place.js'
import type { Configuration } from './resolve.js'

/** What is in force and where each value comes from, as a file of settings that gives the same, or as JSON. */

/** Its arguments may be secret, as those of programs sometimes are. */
const ARGUMENTS_HIDDEN: ReadonlySet<string> = new Set(['master-key-command'])

interface Printed {
  readonly settings: readonly InForce[]
  /** Where the master key comes from, in words. */
  readonly masterKey: { readonly kind: MasterKeySource['kind']; readonly told: string }
}

/** Opens nothing: it can be asked anywhere, and tells no secret. */
export async function printSettings(
  terminal: Terminal,
  options: MasterKeyArguments & { readonly json?: boolean },
  { settings }: Configuration,
): Promise<void> {
  const source = await masterKeySourceFor(options, terminal.env)
  const printed = { settings, masterKey: { kind: source.kind, told: toldSource(source) } }
  answer(terminal, options, settingsJson(printed), settingsText(printed))
}

function settingsText({ settings, masterKey }: Printed): string {
  const shown = settings.map(withoutArguments)
  const limits = shown.filter(({ key }) => key.startsWith('limits.'))
  const flags = shown.filter(setting => !limits.includes(setting))
  return [
    `# The master key comes from ${printableLine(masterKey.told)}.`,
    ...aligned(flags),
    '',
    '[limits]',
    ...aligned(limits.map(setting => ({ ...setting, key: setting.key.slice('limits.'.length) }))),
  ].join('\n')
}

function settingsJson({ settings, masterKey }: Printed): object {
  const shown = settings.map(withoutArguments)
  return {
    settings: Object.fromEntries(
      shown.map(({ key, value, source, from }) => [key, { value: value ?? null, source, from }]),
    ),
    masterKey: { source: masterKey.kind, from: masterKey.told },
  }
}

function withoutArguments(setting: InForce): InForce {
  const { key, value } = setting
  if (!ARGUMENTS_HIDDEN.has(key) || typeof value !== 'string') return setting
  const [program = '', ...rest] = value.split(' ').filter(word => word !== '')
  return { ...setting, value: rest.length === 0 ? program : `${program} ...` }
}

function aligned(settings: readonly InForce[]): string[] {
  const lines = settings.map(({ key, value, from }) => {
    const line = value === undefined ? `# ${key} is not set` : `${key} = ${toml(value)}`
    return [line, printableLine(from)] as const
  })
  const width = Math.max(...lines.map(([line]) => line.length))
  return lines.map(([line, from]) => (line.startsWith('#') ? line : `${line.padEnd(width)}  # ${from}`))
}

/** A text of TOML in double quotes is one of JSON, as far as the control characters that both escape. */
function toml(value: boolean | number | string | readonly string[]): string {
  if (typeof value === 'object') return `[${value.map(toml).join(', ')}]`
  if (typeof value !== 'string') return String(value)
  return JSON.stringify(value).replace(/\u007f/g, '\\u007f')
}

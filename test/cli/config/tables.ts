import type { Command } from 'commander'
import { defaultLimitText, LIMITS } from '../../../cli/config/limits.js'
import { flagSettings, limitSettings } from '../../../cli/config/settings.js'

/** The tables of docs/configuration.md, as the code says them. */

/** The name of a value in a description is that of the flag's help. */
export function settingRows(command: Command): string[] {
  return flagSettings(command).map(({ key, variable, shape, option }) => {
    const none = { switch: 'false', list: 'none', text: 'none' }[shape]
    const usual = option.defaultValueDescription ?? none
    return `| \`${key}\` | \`${variable}\` | ${shape} | ${usual === none ? none : `\`${usual}\``} | ${option.description} |`
  })
}

export function limitRows(): string[] {
  return limitSettings().map(({ key, name }) => {
    const { means, protects } = LIMITS[name]
    return `| \`${key}\` | \`${defaultLimitText(name)}\` | ${means} | ${protects} |`
  })
}

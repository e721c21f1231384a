import type { CompletedCommand, CompletedOption } from './tree.js'
import { commandPaths, quotedForFish } from './words.js'

/** The script for fish, which starts no program. */
export function fishScript(commands: readonly CompletedCommand[]): string {
  return `# Completion of orthrus for fish. In ~/.config/fish/config.fish: orthrus shell-init fish | source
function __orthrus_at
    set -l at orthrus
    set -l words (commandline -opc)
    for word in $words[2..-1]
        switch "$at $word"
            case ${commandPaths(commands).map(quotedForFish).join(' ')}
                set at "$at $word"
        end
    end
    test "$at" = "$argv"
end
complete -c orthrus -e
complete -c orthrus -f
${commands.flatMap(linesOf).join('\n')}
`
}

function linesOf({ path, commands, options, values }: CompletedCommand): string[] {
  const at = `complete -c orthrus -n ${quotedForFish(`__orthrus_at ${path}`)}`
  const words = values.flatMap(value => (value.kind === 'words' ? value.words : []))
  return [
    ...commands.map(
      ({ name, description }) => `${at} -a ${quotedForFish(name)} -d ${quotedForFish(description)}`,
    ),
    ...(words.length === 0 ? [] : [`${at} -a ${quotedForFish(words.join(' '))}`]),
    ...(values.some(({ kind }) => kind === 'file') ? [`${at} -F`] : []),
    ...options.map(option => `${at} ${flagsOf(option)} -d ${quotedForFish(option.description)}`),
  ]
}

function flagsOf({ names, value }: CompletedOption): string {
  const flags = names.map(name => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`))
  if (value?.kind === 'words') flags.push(`-x -a ${quotedForFish(value.words.join(' '))}`)
  if (value?.kind === 'file') flags.push('-r -F')
  if (value?.kind === 'other') flags.push('-x')
  return flags.join(' ')
}

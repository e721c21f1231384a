import type { CompletedCommand, CompletedOption } from './tree.js'
import { commandPaths, quotedForShell, valuedOptions } from './words.js'

/** The script for zsh, which starts no program. It can be evaluated, or be a file `_orthrus` on the `fpath`. */
export function zshScript(commands: readonly CompletedCommand[]): string {
  return `#compdef orthrus
# Completion of orthrus for zsh. In ~/.zshrc: eval "$(orthrus shell-init zsh)"
_orthrus() {
  local at=orthrus cur=\${words[CURRENT]} prev=\${words[CURRENT-1]} i
  local -a others options
  local -i files=0
  if [[ $cur == --*=* ]]; then
    prev=\${cur%%=*}
    compset -P '*='
  fi
  for ((i = 2; i < CURRENT; i++)); do
    case "$at \${words[i]}" in
      (${commandPaths(commands).map(quotedForShell).join('|')}) at="$at \${words[i]}" ;;
    esac
  done
  case "$at $prev" in
${valuedOptions(commands).map(valueCase).join('\n')}
  esac
  case "$at" in
${commands.map(commandCase).join('\n')}
  esac
  if [[ $cur == -* ]]; then
    _describe -o option options
    return
  fi
  (( \${#others} )) && _describe command others
  (( files )) && _files
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _orthrus "$@"
else
  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
  compdef _orthrus orthrus
fi
`
}

function valueCase({ at, option }: { at: string; option: CompletedOption }): string {
  const { value, names, description } = option
  const then =
    value?.kind === 'words'
      ? `compadd -- ${value.words.map(quotedForShell).join(' ')}`
      : value?.kind === 'file'
        ? '_files'
        : `_message ${quotedForShell(description)}`
  return `    (${names.map(name => quotedForShell(`${at} ${name}`)).join('|')}) ${then}; return ;;`
}

function commandCase({ path, commands, options, values }: CompletedCommand): string {
  const words = values.flatMap(value => (value.kind === 'words' ? value.words : []))
  const others = [
    ...commands.map(({ name, description }) => described(name, description)),
    ...words.map(quotedForShell),
  ]
  const flags = options.flatMap(({ names, description }) => names.map(name => described(name, description)))
  const files = values.some(({ kind }) => kind === 'file') ? ' files=1' : ''
  return `    (${quotedForShell(path)}) others=(${others.join(' ')}) options=(${flags.join(' ')})${files} ;;`
}

/** `name:description`, where a colon of either would end it. */
function described(name: string, description: string): string {
  return quotedForShell(`${name.replaceAll(':', '\\:')}:${description.replaceAll(':', '\\:')}`)
}

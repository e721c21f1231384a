import type { CompletedCommand, CompletedOption } from './tree.js'
import { commandPaths, quotedForShell, valuedOptions } from './words.js'

/**
 * The script for bash, from 3.2 on, which macOS has. It starts no program: a shell that had to wait for one at each press of
 * the key would be worse than none.
 */
export function bashScript(commands: readonly CompletedCommand[]): string {
  return `# Completion of orthrus for bash. In ~/.bashrc: eval "$(orthrus shell-init bash)"
_orthrus() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} at=orthrus words= files= i
  local IFS=$' \\t\\n'
  COMPREPLY=()
  # Bash takes --option=value apart at the sign.
  if [ "$cur" = = ]; then
    cur=
  elif [ "$prev" = = ] && [ "$COMP_CWORD" -gt 1 ]; then
    prev=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at \${COMP_WORDS[i]}" in
      ${alternatives(commandPaths(commands))}) at="$at \${COMP_WORDS[i]}" ;;
    esac
  done
  case "$at $prev" in
${valuedOptions(commands).map(valueCase).join('\n')}
  esac
  if [ -z "$files" ] && [ -z "$words" ]; then
    case "$at" in
${commands.map(commandCase).join('\n')}
    esac
    case "$cur" in
      -*) files= ;;
    esac
  fi
  if [ -n "$words" ]; then
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
  fi
  if [ -n "$files" ]; then
    local name quote=
    # Bash before 4 puts names on the line as they are, where one such as "a; b" would be two commands.
    if type compopt >/dev/null 2>&1; then compopt -o filenames 2>/dev/null; else quote=yes; fi
    while IFS= read -r name; do
      [ -n "$name" ] || continue
      [ -z "$quote" ] || printf -v name %q "$name"
      COMPREPLY+=("$name")
    done <<< "$(compgen -f -- "$cur")"
  fi
}
complete -F _orthrus orthrus
`
}

function alternatives(words: readonly string[]): string {
  return words.map(quotedForShell).join(' | ')
}

function valueCase({ at, option }: { at: string; option: CompletedOption }): string {
  const { value } = option
  const then =
    value?.kind === 'words'
      ? `words=${quotedForShell(value.words.join(' '))}`
      : value?.kind === 'file'
        ? 'files=yes'
        : 'return'
  return `    ${alternatives(option.names.map(name => `${at} ${name}`))}) ${then} ;;`
}

/** Options are offered once a hyphen is typed, and otherwise what else may stand there. */
function commandCase({ path, commands, options, values }: CompletedCommand): string {
  const others = [
    ...commands.map(({ name }) => name),
    ...values.flatMap(value => (value.kind === 'words' ? value.words : [])),
  ]
  const flags = options.flatMap(({ names }) => names)
  const files = values.some(({ kind }) => kind === 'file') ? ' files=yes' : ''
  return `      ${quotedForShell(path)})
        case "$cur" in
          -*) words=${quotedForShell(flags.join(' '))} ;;
          *) words=${quotedForShell(others.join(' '))}${files} ;;
        esac ;;`
}

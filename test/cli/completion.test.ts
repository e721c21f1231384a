import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runCommand } from './run-command.js'

/** The scripts of `orthrus shell-init`, in the shells themselves, where they are installed. */

let folder = ''
const scripts = new Map<string, string>()
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'orthrus-completion-'))
  writeFileSync(join(folder, 'web.keytab'), '')
  writeFileSync(join(folder, 'a file.txt'), '')
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, out, err } = await runCommand(['shell-init', shell])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    const path = join(folder, `.script.${shell}`)
    writeFileSync(path, out)
    scripts.set(shell, path)
  }
})
afterAll(() => rmSync(folder, { recursive: true }))

/** What each line completes to, at its end; each shell's list without descriptions, in one order. */
const CASES: readonly (readonly [line: string, words: readonly string[]])[] = [
  ['orthrus lo', ['login', 'logout']],
  ['orthrus admin rev', ['revoke']],
  ['orthrus admin revoke ', ['client', 'key', 'ticket']],
  ['orthrus login --pass', ['--password-stdin']],
  ['orthrus kdc --log-level ', ['debug', 'error', 'info', 'warn']],
  ['orthrus kdc --log-level d', ['debug']],
  ['orthrus shell-init ', ['bash', 'fish', 'zsh']],
  ['orthrus get --keytab we', ['web.keytab']],
  ['orthrus inspect w', ['web.keytab']],
  // What nobody can know is not made up.
  ['orthrus get --kdc ', []],
  ['orthrus get ad', []],
  // A value that is called like a command is none.
  ['orthrus get admin --jso', ['--json']],
]

type Complete = (lines: readonly string[]) => string[][]

function found(shell: string): boolean {
  return spawnSync(shell, ['-c', 'exit 0']).status === 0
}

const clean = (words: readonly string[]): string[] =>
  [...new Set(words.map(word => word.trim()).filter(word => word !== ''))].sort()

const run = (program: string, args: readonly string[], input?: string): string =>
  execFileSync(program, args, {
    cwd: folder,
    encoding: 'utf8',
    timeout: 60_000,
    ...(input === undefined ? {} : { input }),
    env: { PATH: process.env.PATH ?? '', HOME: folder, TERM: 'dumb', LC_ALL: 'C.UTF-8' },
  })

/** The lists of several lines, each behind a mark. */
const split = (out: string): string[][] =>
  out
    .split('=====\n')
    .slice(1)
    .map(part => clean(part.split('\n')))

const bash: Complete = lines => {
  const questions = lines.map(line => {
    const words = line.split(' ').map(word => `'${word}'`)
    return `COMP_WORDS=(${words.join(' ')}); COMP_CWORD=${words.length - 1}; _orthrus; echo =====; printf '%s\\n' "\${COMPREPLY[@]}"`
  })
  return split(run('bash', ['--norc', '-c', `. ${scripts.get('bash')}; ${questions.join('\n')}`]))
}

const fish: Complete = lines => {
  const questions = lines.map(line => `echo =====; complete -C '${line}' | string split -f 1 \\t`)
  return split(run('fish', ['--no-config', '-c', `source ${scripts.get('fish')}; ${questions.join('; ')}`]))
}

/** A shell in a pseudo-terminal, since zsh completes only what is typed; what it would offer is printed by `compadd`. */
const INNER = (script: string): string => `
PROMPT=; setopt no_beep no_list_beep
autoload -Uz compinit && compinit -u -D
. ${script}
zstyle ':completion:*' list-prompt ''
compadd() {
  [[ "\${@[1,(i)(-|--)]}" == *-(O|A|D)\\ * ]] && { builtin compadd "$@"; return }
  local -a hits
  builtin compadd -A hits "$@"
  builtin print -rl -- "\${(@)hits/#/hit:}"
  builtin compadd "$@"
}
ask() { zle complete-word; builtin print -r -- "asked:"; zle kill-whole-line; zle send-break }
zle -N ask; bindkey '^X' ask
print ready:
`
const OUTER = (inner: string, lines: readonly string[]): string => `
zmodload zsh/zpty
zpty z 'zsh -f -i'
until_seen() { local all= part; while zpty -r z part; do all+=$part; [[ $all == *"$1"* ]] && break; done; print -r -- "$all" }
zpty -w z '. ${inner}'
until_seen ready: >/dev/null
${lines.map(line => `zpty -n -w z '${line}'$'\\C-x'; print '====='; until_seen asked:`).join('\n')}
zpty -d z
`

const zsh: Complete = lines => {
  const inner = join(folder, '.inner.zsh')
  writeFileSync(inner, INNER(scripts.get('zsh') ?? ''))
  const out = run('zsh', ['-f'], OUTER(inner, lines)).replaceAll('\r', '')
  return out
    .split('=====\n')
    .slice(1)
    .map(part => clean([...part.matchAll(/hit:(.*)$/gm)].map(([, word = '']) => word)))
}

describe.each([
  ['bash', bash],
  ['fish', fish],
  ['zsh', zsh],
] as const)('%s, if it is installed,', (shell, complete) => {
  it.skipIf(!found(shell))('completes commands, options, closed values and files', () => {
    const lines = CASES.map(([line]) => line)
    const words = complete(lines)
    expect(words.map((each, i) => [lines[i], each])).toEqual(CASES)
  })
})

it.skipIf(!found('bash'))(
  'bash completes --option=value, names of files with spaces, and every command',
  () => {
    const script = `. ${scripts.get('bash')}
    COMP_WORDS=(orthrus kdc --log-level = d); COMP_CWORD=4; _orthrus; echo =====; printf '%s\\n' "\${COMPREPLY[@]}"
    COMP_WORDS=(orthrus kdc --log-level =); COMP_CWORD=3; _orthrus; echo =====; printf '%s\\n' "\${COMPREPLY[@]}"
    COMP_WORDS=(orthrus get --keytab a); COMP_CWORD=3; _orthrus; echo =====; printf '%s\\n' "\${COMPREPLY[@]}"
    COMP_WORDS=(orthrus ''); COMP_CWORD=1; _orthrus; echo =====; printf '%s\\n' "\${COMPREPLY[@]}"`
    const [value, values, file, all = []] = split(run('bash', ['--norc', '-c', script]))
    expect([value, values, file]).toEqual([['debug'], ['debug', 'error', 'info', 'warn'], ['a file.txt']])
    expect(all).toEqual(
      expect.arrayContaining(['admin', 'doctor', 'get', 'login', 'shell-init', 'tickets', 'tunnel']),
    )
  },
)

it.skipIf(!found('bash'))(
  'names of files are neither patterns nor commands, also where bash does not quote them',
  () => {
    const hostile = join(folder, 'hostile')
    mkdirSync(hostile)
    const names = ['$(touch pwned)', '*', 'a; touch pwned', '`touch pwned2`', "it's", '-rf']
    for (const name of names) writeFileSync(join(hostile, name), '')
    const ask = `COMP_WORDS=(orthrus get --keytab ''); COMP_CWORD=3; _orthrus; echo =====; printf '%s\\n' "\${COMPREPLY[@]}"`
    // What it writes on the line is read as that one name.
    const again = `echo =====; for word in "\${COMPREPLY[@]}"; do eval "printf '%s\\n' $word"; done; ls | grep pwned$`
    const script = `cd hostile; . ${scripts.get('bash')}; ${ask}
    type() { return 1; }; ${ask}; ${again}`
    const [quotedByBash, , read] = split(run('bash', ['--norc', '-c', `exec 2>/dev/null; ${script}`]))
    expect([quotedByBash, read]).toEqual([clean(names), clean(names)])
    rmSync(hostile, { recursive: true })
  },
)

it('a shell that there is no script for is wrong usage', async () => {
  expect(await runCommand(['shell-init', 'tcsh'])).toMatchObject({
    code: 2,
    err: expect.stringContaining('Allowed choices are bash, zsh, fish'),
  })
})

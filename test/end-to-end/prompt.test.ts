import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { endAtLast, root, temporaryFolder } from './processes.js'

/** The prompt for a password, at a pseudo-terminal that `script` of util-linux makes. */

const CLI = join(root, 'dist/cli/orthrus.js')
const isThere = spawnSync('script', ['-qefc', 'true', '/dev/null']).status === 0
/** Whether a terminal shows what is typed, and waits for whole lines. */
const STATE = "stty -a | tr ';' '\\n' | grep -ow -e '-\\?echo' -e '-\\?icanon' | tr '\\n' ' '"

interface Session {
  /** All that the terminal showed. */
  readonly shown: string
  /** How the terminal was before and after. */
  readonly states: readonly (string | undefined)[]
  readonly code: number
}

/** Logs in where no KDC is, and types that when the prompt is there, or sends a signal. */
async function typed(keys: string, signal?: NodeJS.Signals): Promise<Session> {
  const { folder, remove } = await temporaryFolder()
  onTestFinished(remove)
  const login = [process.execPath, CLI, 'login', 'ann@demo.example', '--kdc', 'ws://127.0.0.1:1']
  // The shell would end too, as it should after Ctrl-C.
  const line = `trap : INT; echo "<$(${STATE})>"; sh -c 'echo "pid $$"; exec ${login.join(' ')}'; echo "code $?"; echo "<$(${STATE})>"`
  const env = { PATH: process.env.PATH, ORTHRUS_LOGINS: join(folder, 'logins'), TERM: 'dumb' }
  const child = endAtLast(
    spawn('script', ['-qefc', line, '/dev/null'], { env, stdio: ['pipe', 'pipe', 'inherit'] }),
  )
  let shown = ''
  child.stdout.on('data', piece => {
    const before = shown
    shown += piece
    if (!shown.includes('Password of') || before.includes('Password of')) return
    child.stdin.write(keys)
    if (signal !== undefined) process.kill(Number(/^pid (\d+)/m.exec(shown)?.[1]), signal)
  })
  await once(child, 'close')
  const states = [...shown.matchAll(/<([^>]*)>/g)].map(([, state]) => state?.trim())
  return { shown, states, code: Number(/code (\d+)/.exec(shown)?.[1]) }
}

const PLAIN = expect.arrayContaining([expect.stringMatching(/^(icanon echo|echo icanon)$/)])

describe.skipIf(!isThere)('a password that is typed', () => {
  it('is not shown, and the terminal is as it was', async () => {
    const { shown, states, code } = await typed('a horse that nobody sees\r')
    expect(shown).toContain('Password of ann@demo.example: ')
    // It was read: the KDC was asked for next.
    expect(shown).toContain('cannot be reached')
    expect(shown).not.toMatch(/horse|nobody/)
    expect([code, states.length, states[0]]).toEqual([1, 2, states[1]])
    expect(states).toEqual(PLAIN)
  })

  it('may be given up by Ctrl-C, which ends the program as anywhere else, with the terminal as it was', async () => {
    const { shown, states, code } = await typed('a horse\u0003')
    expect(shown).not.toMatch(/horse|orthrus:/)
    expect([code, states.length, states[0]]).toEqual([130, 2, states[1]])
    expect(states).toEqual(PLAIN)
  })

  it.each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGINT', 130],
  ] as const)('leaves the terminal as it was when %s ends the program', async (signal, wanted) => {
    const { shown, states, code } = await typed('', signal)
    expect(shown).not.toMatch(/horse|orthrus:/)
    expect([code, states.length, states[0]]).toEqual([wanted, 2, states[1]])
    expect(states).toEqual(PLAIN)
  })
})

import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import type { PasswordKey } from '../shared/administration/principals.js'
import type { Principal } from '../shared/principal.js'
import { CommandFailed, EXIT } from './failure.js'
import { firstLines } from './input-lines.js'
import { whileWorking } from './progress.js'
import type { Terminal } from './terminal.js'

/**
 * A new password for each: asked twice at a terminal, otherwise a line of standard input each.
 * @throws TypeError if one is missing or too short, or the two differ
 */
export async function askNewPasswords(
  terminal: Terminal,
  principals: readonly Principal[],
): Promise<ReadonlyMap<Principal, string>> {
  const passwords = new Map<Principal, string>()
  const lines = process.stdin.isTTY === true ? undefined : await firstLines(process.stdin, principals.length)
  for (const [i, principal] of principals.entries()) {
    const question = `New password for ${principal}: `
    const password = lines === undefined ? await ask(terminal, question) : lines[i]
    if (password === undefined)
      throw new TypeError(`no password came for ${principal}: send a line for each name on standard input`)
    await requireLength(password, principal)
    if (lines === undefined && (await ask(terminal, 'The same again: ')) !== password)
      throw new TypeError('the two passwords differ')
    passwords.set(principal, password)
  }
  return passwords
}

/** A new password for one, as `askNewPasswords` asks for it. @throws TypeError */
export async function askNewPassword(terminal: Terminal, principal: Principal): Promise<string> {
  return (await askNewPasswords(terminal, [principal])).get(principal) ?? ''
}

/**
 * The password of a principal, and another one for it: asked for at a terminal, otherwise the first two lines of
 * standard input.
 * @throws TypeError if one is missing, or the new one is too short or was typed in two ways
 */
export async function askPasswordChange(
  terminal: Terminal,
  principal: Principal,
): Promise<{ readonly old: string; readonly next: string }> {
  if (process.stdin.isTTY === true) {
    const old = await askPassword(terminal, principal)
    return { old, next: await askNewPassword(terminal, principal) }
  }
  const [old, next] = await firstLines(process.stdin, 2)
  if (old === undefined || next === undefined) {
    throw new TypeError('send two lines on standard input: the password, and the new one')
  }
  await requireLength(next, principal)
  return { old, next }
}

async function requireLength(password: string, principal: Principal): Promise<void> {
  const { requireLongPassword } = await import('../client/login/new-password.js')
  requireLongPassword(password, principal)
}

/** The key of a new password, with a sign that something is being done. */
export function shownPasswordKey(
  terminal: Terminal,
  password: string,
  principal: Principal,
): Promise<PasswordKey> {
  return whileWorking(terminal, 'making a key of the password', () => passwordKey(password, principal))
}

/** The key of a new password. */
export async function passwordKey(password: string, principal: Principal): Promise<PasswordKey> {
  const { newPasswordKey } = await import('../client/login/new-password.js')
  return newPasswordKey(password, principal)
}

/** A password from a line of standard input, which may be no terminal. @throws TypeError if none comes */
export async function passwordFromInput(): Promise<string> {
  const [password] = await firstLines(process.stdin, 1)
  if (password === undefined || password === '') throw new TypeError('no password came on standard input')
  return password
}

/** The password of a principal that has one. */
export function askPassword(terminal: Terminal, principal: string): Promise<string> {
  return ask(terminal, `Password of ${principal}: `)
}

/** Ctrl-C is a letter while nothing is echoed. It ends the program as it does elsewhere, once the terminal is as it was. */
function interrupted(): CommandFailed {
  setImmediate(() => process.kill(process.pid, 'SIGINT'))
  return new CommandFailed('', { exitCode: EXIT.INTERRUPTED })
}

async function ask(terminal: Terminal, question: string): Promise<string> {
  const interactive = process.stdin.isTTY === true
  // What is typed is not echoed.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: interactive })
  // Only now, since until then what is typed would be shown.
  if (interactive) terminal.err(question)
  let isInterrupted = false
  lines.on('SIGINT', () => {
    isInterrupted = true
    lines.close()
  })
  try {
    for await (const line of lines) return line
    if (isInterrupted) throw interrupted()
    throw new TypeError('no password came: type it at a terminal, or send it as a line on standard input')
  } finally {
    lines.close()
    if (interactive) terminal.err('\n')
  }
}

import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import type { Principal } from '../shared/principal.js'
import type { Terminal } from './terminal.js'

const LENGTH_MIN = 12

/**
 * A new password for each: asked twice at a terminal, otherwise a line of standard input each.
 * @throws TypeError if one is missing or too short, or the two differ
 */
export async function askNewPasswords(
  terminal: Terminal,
  principals: readonly Principal[],
): Promise<ReadonlyMap<Principal, string>> {
  const passwords = new Map<Principal, string>()
  const lines = process.stdin.isTTY === true ? undefined : await linesOfInput(principals.length)
  for (const [i, principal] of principals.entries()) {
    const question = `New password for ${principal}: `
    const password = lines === undefined ? await ask(terminal, question) : lines[i]
    if (password === undefined)
      throw new TypeError(`no password came for ${principal}: send a line for each name on standard input`)
    // Anyone who records a login can try passwords against it. Length is the only defence (docs/threat-model.md).
    if ([...password].length < LENGTH_MIN)
      throw new TypeError(
        `a password has ${LENGTH_MIN} characters at least, and that for ${principal} has fewer`,
      )
    if (lines === undefined && (await ask(terminal, 'The same again: ')) !== password)
      throw new TypeError('the two passwords differ')
    passwords.set(principal, password)
  }
  return passwords
}

/** The first lines of standard input, which may have fewer. */
async function linesOfInput(count: number): Promise<string[]> {
  const lines = createInterface({ input: process.stdin })
  const found: string[] = []
  try {
    for await (const line of lines) if (found.push(line) === count) break
    return found
  } finally {
    lines.close()
  }
}

/** The password of a principal that has one. */
export function askPassword(terminal: Terminal, principal: string): Promise<string> {
  return ask(terminal, `Password of ${principal}: `)
}

async function ask(terminal: Terminal, question: string): Promise<string> {
  const interactive = process.stdin.isTTY === true
  if (interactive) terminal.err(question)
  // What is typed is not echoed.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: interactive })
  try {
    for await (const line of lines) return line
    throw new TypeError('no password came: type it at a terminal, or send it as a line on standard input')
  } finally {
    lines.close()
    if (interactive) terminal.err('\n')
  }
}

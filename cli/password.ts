import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import type { Principal } from '../shared/principal.js'
import type { Terminal } from './terminal.js'

const LENGTH_MIN = 12

/**
 * A new password: asked twice at a terminal, otherwise the first line of standard input.
 * @throws TypeError if it is too short or the two differ
 */
export async function askNewPassword(terminal: Terminal, principal: Principal): Promise<string> {
  const password = await ask(terminal, `New password for ${principal}: `)
  // Anyone who records a login can try passwords against it. Length is the only defence (docs/threat-model.md).
  if ([...password].length < LENGTH_MIN)
    throw new TypeError(`a password has ${LENGTH_MIN} characters at least`)
  if (process.stdin.isTTY === true && (await ask(terminal, 'The same again: ')) !== password) {
    throw new TypeError('the two passwords differ')
  }
  return password
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

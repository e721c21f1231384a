import { codeOf } from '../shared/folder.node.js'
import { printable, printableJson, printableLine } from '../shared/printable.js'
import { type Bound, readBounded, standardInput } from './bounded-input.js'

/** Where a command reads its surroundings and prints; tests pass their own. */
export interface Terminal {
  out(data: string | Uint8Array): void
  err(text: string): void
  readonly env: Readonly<Record<string, string | undefined>>
  /** Whether a person reads `out` immediately. By default it goes to a file or another program. */
  readonly outIsTerminal?: boolean
  /** Whether a person sees `err` immediately, so that a sign of progress means something. */
  readonly errIsTerminal?: boolean
}

/** One answer in both forms: JSON for `--json`, otherwise text. */
export function answer(terminal: Terminal, { json }: { json?: boolean }, value: object, text: string): void {
  if (json === true) terminal.out(`${printableJson(value)}\n`)
  else if (text !== '') terminal.out(`${printable(text)}\n`)
}

/** Prints one of several answers of a command. */
export type Tell = (value: unknown, text: string) => void

/** What is said of all that a command did together: fields of its JSON document, or the last line of its text. */
export interface Together {
  readonly fields: object
  readonly text: string
}

/**
 * The answers of a command that does the same to several things. People see each one immediately. With `--json` there
 * is one document with the list of what was done, even if the rest failed.
 */
export async function answerEach(
  terminal: Terminal,
  { json }: { json?: boolean },
  name: string,
  work: (tell: Tell) => Promise<void>,
  tellTogether: () => Promise<Together | undefined> = async () => undefined,
): Promise<void> {
  const values: unknown[] = []
  const print = (text: string): void => terminal.out(`${printable(text)}\n`)
  try {
    await work((value, text) => {
      values.push(value)
      if (json !== true) print(text)
    })
  } finally {
    const together = values.length > 0 ? await tellTogether() : undefined
    if (json !== true && together !== undefined) print(together.text)
    if (json === true && values.length > 0) {
      terminal.out(`${printableJson({ [name]: values, ...together?.fields })}\n`)
    }
  }
}

/** Something that a person should know about a command that succeeded: printed to standard error, and not a failure. */
export function warn(terminal: Terminal, { json }: { json?: boolean }, warning: string): void {
  tellAside(terminal, json, { warning })
}

/** What a command could not find out, although nothing may be wrong: on standard error, and no failure. */
export function note(terminal: Terminal, { json }: { json?: boolean }, note: string): void {
  tellAside(terminal, json, { note })
}

function tellAside(
  terminal: Terminal,
  json: boolean | undefined,
  aside: Readonly<Record<string, string>>,
): void {
  const told = Object.entries(aside).map(([kind, text]) => `orthrus: ${kind}: ${printableLine(text)}`)
  terminal.err(`${json === true ? printableJson(aside) : told.join('\n')}\n`)
}

/** Rows under each other, columns aligned, two spaces between. */
export function table(texts: readonly (readonly string[])[]): string {
  const rows = texts.map(cells => cells.map(printableLine))
  const widths: number[] = []
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length)
  }
  return rows
    .map(row =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** The errors of the system, and of Node, for a name that cannot be that of a file. */
const NO_FILE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ERR_INVALID_ARG_VALUE'])

/** A keytab has this size at most, and tickets and credentials are far smaller. */
const TEXT: Bound = { max: 1024 * 1024, because: 'no keytab, credential or ticket is that large' }

/**
 * The content of an argument: the text of a file, of standard input for -, or the argument itself.
 * @throws TypeError
 */
export async function textOf(what: string): Promise<string> {
  if (what === '-') return new TextDecoder().decode(await standardInput(TEXT))
  try {
    return Buffer.from(await readBounded(what, TEXT)).toString('utf8')
  } catch (cause) {
    if (codeOf(cause) === 'unknown reason') throw cause
    const code = codeOf(cause)
    if (NO_FILE.has(code)) return what
    const reason = code === 'EISDIR' ? 'is a folder: name a file in it' : `cannot be read: ${code}`
    throw new TypeError(`${what} ${reason}`, { cause })
  }
}

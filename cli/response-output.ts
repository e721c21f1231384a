import { printable, printableJson } from '../shared/printable.js'
import { CommandFailed } from './failure.js'
import type { OutputFile } from './output-file.js'
import type { Terminal } from './terminal.js'

/** The options that say how a response is printed. */
export interface ResponseOptions {
  readonly include?: boolean
  readonly json?: boolean
  readonly output?: string
  /** Whether only the service can have made the response. */
  readonly serviceProved: boolean
}

/**
 * Writes what the service proved byte by byte: to the file, or to standard output. Only a terminal gets a missing last
 * newline, so that the prompt begins a line, and only text.
 * @throws CommandFailed if the file cannot be written, or a terminal would get a body that is not text
 */
export async function printResponse(
  terminal: Terminal,
  response: Response,
  { include, json, output, serviceProved }: ResponseOptions,
  file: OutputFile | undefined,
): Promise<void> {
  const body = new Uint8Array(await response.arrayBuffer())
  await file?.write(include === true && json !== true ? withHead(response, body) : body)
  if (json === true) {
    const told = file === undefined ? bodyObject(body) : { output, bytes: body.length }
    const { status } = response
    terminal.out(`${printableJson({ status, serviceProved, headers: headersOf(response), ...told })}\n`)
  } else if (file === undefined) {
    if (include === true) printHead(terminal, response)
    printBody(terminal, body)
  }
}

function printHead(terminal: Terminal, response: Response): void {
  const text = headText(response)
  terminal.out(terminal.outIsTerminal === true ? printable(text) : text)
}

function printBody(terminal: Terminal, body: Uint8Array): void {
  if (terminal.outIsTerminal === true) {
    const fault = faultOnTerminal(body)
    if (fault !== undefined) throw new CommandFailed(`the body ${fault}: give --output FILE`)
    terminal.out(body)
    if (body.length > 0 && body.at(-1) !== NEWLINE) terminal.out('\n')
  } else if (body.length > 0) {
    terminal.out(body)
  }
}

const NEWLINE = 10

/** Loses nothing: a body that is not UTF-8 has a key of its own. */
function bodyObject(body: Uint8Array): { body: string } | { bodyBase64: string } {
  const text = utf8From(body)
  return text === undefined ? { bodyBase64: Buffer.from(body).toString('base64') } : { body: text }
}

/** Why a terminal is not given the body. */
function faultOnTerminal(body: Uint8Array): string | undefined {
  const text = body.includes(0) ? undefined : utf8From(body)
  if (text === undefined) return `is not text (${body.length} bytes), which a terminal cannot show`
  return OBEYED.test(text) ? 'has control characters, which a terminal obeys' : undefined
}

/** Not what text of any script has in it: a mark of its direction, a line that ends as on Windows. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const OBEYED = /[\u0000-\u0008\u000b\u000e-\u001f\u007f-\u009f]|\r(?!\n)/

function utf8From(body: Uint8Array): string | undefined {
  try {
    // A byte order mark is part of what was proved.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body)
  } catch {
    return undefined
  }
}

/** A list if the service set several cookies, which cannot be joined into one. */
function headersOf({ headers }: Response): Record<string, string | string[]> {
  const cookies = headers.getSetCookie()
  return { ...Object.fromEntries(headers), ...(cookies.length > 1 ? { 'set-cookie': cookies } : {}) }
}

function headText(response: Response): string {
  const headers = [...response.headers].map(([name, value]) => `${name}: ${value}\n`)
  return `${response.status}\n${headers.join('')}\n`
}

function withHead(response: Response, body: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(headText(response), 'latin1'), body])
}

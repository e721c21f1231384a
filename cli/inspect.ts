import { Command } from 'commander'
import { fromBase64url, toHex } from '../shared/bytes.js'
import { FLAG } from '../shared/constants.js'
import { AuthKey } from '../shared/crypto/keys.js'
import { OrthrusError } from '../shared/errors.js'
import { type KeytabEntry, parseKeytab } from '../shared/keytab/keytab.js'
import { readKeytabFile } from '../shared/keytab/keytab-file.node.js'
import { decodeCaveat } from '../shared/ticket/caveats.js'
import { parseCredential } from '../shared/ticket/credential.js'
import { decodeTicket, type OpenedTicket, openTicket, type SealedTicket } from '../shared/ticket/ticket.js'
import { formatTime } from '../shared/time.js'
import { formatDuration } from './arguments.js'
import { answer, type Terminal, table, textOf } from './terminal.js'

interface InspectOptions {
  readonly keytab?: string
  readonly allowReadableKeytab?: boolean
  readonly json?: boolean
}

/** `orthrus inspect`: what a keytab, credential or ticket says. No key is ever printed. */
export function inspectCommand(terminal: Terminal): Command {
  return new Command('inspect')
    .description('say what a keytab, credential or ticket is and, with the key, what is in it')
    .argument('<file-or-text>', 'a file, or the text itself; - reads standard input')
    .option('--keytab <file>', "the service's keytab, to open a ticket with")
    .option('--allow-readable-keytab', 'accept a keytab that others can read, as containers mount secrets')
    .option('--json', 'answer in JSON')
    .action((what: string, options: InspectOptions) => inspect(terminal, what, options))
}

async function inspect(terminal: Terminal, what: string, options: InspectOptions): Promise<void> {
  const text = await textOf(what)
  const keys =
    options.keytab === undefined
      ? []
      : parseKeytab(await readKeytabFile(options.keytab, options), options.keytab)
  const facts = describe(text, keys)
  const rows = Object.entries(facts).map(([name, value]) => [name, printed(value)])
  answer(terminal, options, facts, table(rows))
}

function printed(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function describe(text: string, keys: readonly KeytabEntry[]): Record<string, unknown> {
  if (text.startsWith('# orthrus keytab')) return describeKeytab(text)
  if (text.startsWith('orthrus1_')) return describeCredential(text.trim(), keys)
  return describeTicket(ticketFrom(text.trim()), keys)
}

function describeKeytab(text: string): Record<string, unknown> {
  const keys = parseKeytab(text).map(({ principal, kvno }) => `${principal} kvno ${kvno}`)
  return { kind: 'keytab', keys }
}

function describeCredential(text: string, keys: readonly KeytabEntry[]): Record<string, unknown> {
  const { ticket, caveats, key, service, client, endTime } = parseCredential(text)
  return {
    kind: 'credential (a secret: anyone who has it can use it, unless it names a holder)',
    client,
    service,
    endTime: formatTime(endTime),
    state: stateAt(endTime),
    closed: key instanceof AuthKey,
    caveats: caveats.map(caveatText),
    ...(keys.length === 0 ? {} : { ticket: describeTicket(ticket, keys) }),
  }
}

function ticketFrom(text: string): SealedTicket {
  try {
    return decodeTicket(fromBase64url(text))
  } catch (cause) {
    if (!(cause instanceof OrthrusError)) throw cause
    throw new TypeError(
      'neither a file nor the text of a keytab, a credential or a ticket in base64url: orthrus inspect FILE',
    )
  }
}

function describeTicket(ticket: SealedTicket, keys: readonly KeytabEntry[]): Record<string, unknown> {
  const sealed = { kind: 'ticket', service: ticket.service, kvno: ticket.kvno, bytes: ticket.bytes.length }
  const key = keys.find(entry => entry.principal === ticket.service && entry.kvno === ticket.kvno)?.key
  if (key !== undefined) return { ...sealed, ...describeOpened(openTicket(ticket, key)) }
  const missing = `sealed: it opens with the key of ${ticket.service}, kvno ${ticket.kvno} (--keytab)`
  return { ...sealed, content: missing }
}

function describeOpened(ticket: OpenedTicket): Record<string, unknown> {
  return {
    ticketId: toHex(ticket.ticketId),
    client: ticket.client,
    authTime: formatTime(ticket.authTime),
    startTime: formatTime(ticket.startTime),
    endTime: formatTime(ticket.endTime),
    renewTill: ticket.renewTill === null ? 'not renewable' : formatTime(ticket.renewTill),
    delegable: (ticket.flags & FLAG.DELEGABLE) !== 0,
    passwordBased: (ticket.flags & FLAG.PASSWORD) !== 0,
    claims: Object.fromEntries(ticket.claims),
    caveats: ticket.caveats.map(caveatText),
  }
}

function caveatText(bytes: Uint8Array): string {
  try {
    const { name, ...rest } = decodeCaveat(bytes)
    return `${name} ${JSON.stringify(Object.values(rest))}`
  } catch {
    return 'of unknown form: it never holds'
  }
}

/** By this machine's clock. */
function stateAt(endTime: number): string {
  const left = endTime - Date.now()
  return left > 0
    ? `ends in ${formatDuration(left)}`
    : `ended ${formatDuration(-left)} ago, by this machine's clock: ask its client for another one`
}

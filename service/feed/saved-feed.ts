import { base64urlBytes, toBase64url } from '../../shared/bytes.js'
import { SIZE } from '../../shared/constants.js'
import { checkOf } from '../../shared/crypto/check.js'
import { malformed } from '../../shared/errors.js'
import { isPrincipal, type Principal } from '../../shared/principal.js'
import type { FeedPosition } from '../../shared/revocation/feed.js'

/** What an orderly end leaves for the next start: a text, whose last line shows whether it is whole. */

export interface SavedFeed {
  readonly service: Principal
  /** When the last question that was answered was sent, by the wall clock, milliseconds. */
  readonly sent: number
  /** For how long the realm is to go on without a KDC, milliseconds; 0 if it does not say. */
  readonly outage: number
  /** Tickets under this kvno or a lower one are revoked. 0 if none is. */
  readonly lastKvno: number
  /** The last entry that was applied. */
  readonly position: FeedPosition | null
  readonly logs: readonly SavedLog[]
}

export interface SavedLog {
  readonly logId: Uint8Array
  /** Milliseconds. */
  readonly keepUntil: number
  /** In the order of their numbers. */
  readonly entries: readonly SavedEntry[]
}

export interface SavedEntry {
  readonly seq: number
  /** A clientId8 or a ticketId16. */
  readonly by: Uint8Array
}

const FIRST_LINE = '# orthrus feed 1'
const utf8 = new TextEncoder()

export function formatSavedFeed({ service, sent, outage, lastKvno, position, logs }: SavedFeed): string {
  const lines = [FIRST_LINE, `service ${service} ${sent} ${lastKvno}`]
  if (outage > 0) lines.push(`survive ${outage}`)
  if (position !== null) {
    lines.push(`position ${toBase64url(position.logId)} ${position.seq} ${toBase64url(position.mark)}`)
  }
  for (const { logId, keepUntil, entries } of logs) {
    lines.push(`log ${toBase64url(logId)} ${keepUntil} ${entries.length}`)
    for (const { seq, by } of entries) lines.push(`${seq} ${toBase64url(by)}`)
  }
  const text = `${lines.join('\n')}\n`
  return `${text}${checkLine(text)}\n`
}

function checkLine(text: string): string {
  return `check ${toBase64url(checkOf(utf8.encode(text)))}`
}

/** Whether the text is a saved feed, even if it is damaged. */
export function looksLikeSavedFeed(text: string): boolean {
  return text.startsWith(`${FIRST_LINE}\n`)
}

/** @throws OrthrusError `malformed` if the text was cut off, altered, or is something else */
export function parseSavedFeed(text: string): SavedFeed {
  const end = text.lastIndexOf('\n', text.length - 2) + 1
  if (text.slice(end) !== `${checkLine(text.slice(0, end))}\n`) throw malformed('it was cut off or altered')
  const lines = new Lines(text.slice(0, end))
  if (lines.next() !== FIRST_LINE) throw malformed('it is not a saved feed')
  const [service, sent, lastKvno] = lines.fields('service', 3)
  if (service === undefined || !isPrincipal(service)) throw malformed('it names no service')
  return {
    service,
    sent: wholeNumber(sent),
    lastKvno: wholeNumber(lastKvno),
    outage: lines.isAt('survive ') ? wholeNumber(lines.fields('survive', 1)[0]) : 0,
    position: lines.isAt('position ') ? parsePosition(lines) : null,
    logs: parseLogs(lines),
  }
}

function parsePosition(lines: Lines): FeedPosition {
  const [logId, seq, mark] = lines.fields('position', 3)
  return { logId: bytes(logId, SIZE.LOG_ID), seq: wholeNumber(seq), mark: bytes(mark, SIZE.MARK) }
}

function parseLogs(lines: Lines): SavedLog[] {
  const logs: SavedLog[] = []
  while (!lines.isOver) {
    const [logId, keepUntil, count] = lines.fields('log', 3)
    const entries: SavedEntry[] = []
    for (let left = wholeNumber(count); left > 0; left--) {
      const [seq, by] = lines.fields(undefined, 2)
      entries.push({ seq: wholeNumber(seq), by: bytes(by, SIZE.CLIENT_ID, SIZE.TICKET_ID) })
    }
    logs.push({ logId: bytes(logId, SIZE.LOG_ID), keepUntil: wholeNumber(keepUntil), entries })
  }
  return logs
}

/** Line by line, because a list of all lines would take many times the memory of the text. */
class Lines {
  readonly #text: string
  #from = 0

  constructor(text: string) {
    this.#text = text
  }

  get isOver(): boolean {
    return this.#from >= this.#text.length
  }

  isAt(start: string): boolean {
    return this.#text.startsWith(start, this.#from)
  }

  next(): string {
    const end = this.#text.indexOf('\n', this.#from)
    if (end < 0) throw malformed('a line is missing')
    const line = this.#text.slice(this.#from, end)
    this.#from = end + 1
    return line
  }

  /** @param word that the line begins with, if it begins with one */
  fields(word: string | undefined, count: number): string[] {
    const parts = this.next().split(' ')
    if (word !== undefined && parts.shift() !== word) throw malformed(`a line of "${word}" is missing`)
    if (parts.length !== count) throw malformed('a line has another number of fields')
    return parts
  }
}

function wholeNumber(text: string | undefined): number {
  const number = Number(text)
  if (text === undefined || !/^(?:0|[1-9][0-9]*)$/.test(text) || !Number.isSafeInteger(number)) {
    throw malformed('a number is missing')
  }
  return number
}

function bytes(text: string | undefined, ...sizes: readonly number[]): Uint8Array {
  const found = text === undefined ? undefined : base64urlBytes(text)
  if (found === undefined || !sizes.includes(found.length)) throw malformed('bytes are missing')
  return found
}

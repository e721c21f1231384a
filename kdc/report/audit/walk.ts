import { decodeAuditLine } from '../../../shared/administration/audit-line.js'
import { base64urlBytes } from '../../../shared/bytes.js'
import { type AuditKey, FIRST_LINK, follows, isSameMac, type Link, openLink } from './chain.js'
import { digestOf, HALF_LINE } from './end-of-log.js'
import type { AuditFile } from './files.js'
import { linesOf } from './lines-of.js'
import { type Mark, parseMark } from './mark.js'
import { DROPPED, REMOVED } from './notes.js'

/** Something that is wrong with a log, in words for its operator. */
export interface Finding {
  /** The file and the line in it, from 1; none for what is missing altogether. */
  readonly file?: string
  readonly line?: number
  readonly what: string
}

/** The most findings that are told. */
const FINDINGS_MAX = 100

type Place = Pick<Finding, 'file' | 'line'>

interface Expected extends Mark {
  readonly name: string
}

/** Goes along the chain, from file to file. */
export class Walk {
  readonly findings: Finding[] = []
  readonly notes: Finding[] = []
  readonly #key: AuditKey
  readonly #expected: Expected[] = []
  /** What lines say about files that were removed: the first line that is kept, and the MAC before it. */
  readonly #kept = new Map<number, Uint8Array>()
  #firstLink: Link | undefined
  #n = 0
  /** What the next line may be chained to: the MAC that a line shows, and the one that it should show. */
  #previous: readonly Uint8Array[] = [FIRST_LINK]

  constructor(key: AuditKey) {
    this.#key = key
  }

  get first(): number {
    return this.#firstLink?.n ?? 0
  }

  get n(): number {
    return this.#n
  }

  expect(mark: Mark, name: string): void {
    this.#expected.push({ ...mark, name })
  }

  expectMark(text: string): void {
    const mark = parseMark(this.#key, text)
    if (mark === undefined) this.find({ what: 'the mark that was given was not made by this KDC' })
    else this.expect(mark, 'the mark that was given')
  }

  find(finding: Finding): void {
    if (this.findings.length < FINDINGS_MAX) this.findings.push(finding)
  }

  async take(file: AuditFile, isLast: boolean): Promise<void> {
    const { name } = file
    if (this.#firstLink !== undefined && file.first > this.#n + 1) {
      this.find({
        file: name,
        what: `a file is missing before this one: ${missing(this.#n + 1, file.first - 1)}`,
      })
      this.#skipTo(file.first)
    }
    let line = 0
    let foreign: Foreign | undefined
    for await (const { bytes, offset, end, isWhole } of linesOf(file.path)) {
      line += 1
      const link = isWhole ? openLink(bytes) : undefined
      if (link === undefined) {
        // Only the last one can be what a kill left.
        if (foreign?.isWhole) this.find({ file: name, line: foreign.line, what: NO_LINE })
        foreign =
          foreign === undefined || foreign.isWhole
            ? { line, offset, end, isWhole }
            : { ...foreign, end, isWhole }
        continue
      }
      const at = { file: name, line }
      const text = Buffer.from(bytes).toString('utf8')
      if (foreign !== undefined) await this.#judge(file, foreign, text)
      foreign = undefined
      if (this.#step(link, at)) this.#read(text, at)
    }
    if (foreign === undefined) return
    const at = { file: name, line: foreign.line }
    if (isLast && !foreign.isWhole)
      this.notes.push({
        ...at,
        what: 'the last line is not whole yet: it is being written, or a kill cut it off',
      })
    else this.find({ ...at, what: NO_LINE })
  }

  end(): void {
    this.#requireStart()
    for (const { n, name } of this.#expected) {
      if (n > 0 && n < this.first)
        this.notes.push({ what: `${name} is of line ${n}, whose file was removed` })
      if (n > this.#n) this.find({ what: `${missing(this.#n + 1, n)} at the end: ${name} is of line ${n}` })
    }
  }

  /** What stands between two lines and is none is excused if the line behind it tells of it. */
  async #judge(file: AuditFile, { line, offset, end }: Foreign, next: string): Promise<void> {
    const at = { file: file.name, line }
    const told = { offset, bytes: end - 1 - offset, digest: await digestOf(file.path, offset, end - 1) }
    const [said, found] = [halfLineOf(next) ?? null, told].map(each => Buffer.from(JSON.stringify(each)))
    if (said !== undefined && found !== undefined && isSameMac(said, found))
      this.notes.push({
        ...at,
        what: 'this line was cut off by a kill or a power cut, and the KDC has noted it',
      })
    else this.find({ ...at, what: NO_LINE })
  }

  /** @returns whether the line is what the KDC wrote behind the one before */
  #step(link: Link, at: Place): boolean {
    const { n } = link
    const isFirst = this.#firstLink === undefined
    this.#firstLink ??= { n, text: link.text.slice(), mac: link.mac.slice() }
    const expected = isFirst ? n : this.#n + 1
    // What the first line is chained to, only a later one says; and nothing says it where lines are missing.
    const isChained = (isFirst && n > 1) || this.#previous.length === 0 || this.#isChained(link)
    if (n > expected) {
      this.find({ ...at, what: `${missing(expected, n - 1)} before line ${n}` })
    } else if (n < expected) {
      this.find({ ...at, what: `line ${n} stands here a second time, or was moved here` })
      return false
    } else if (!isChained) {
      this.find({ ...at, what: `line ${n} was edited, or written by somebody else` })
    }
    this.#compareMarks(link, at)
    this.#previous = [
      link.mac.slice(),
      ...this.#previous.map(mac => this.#key.link(mac, link.text).slice()).slice(0, 1),
    ]
    this.#n = n
    return isChained && n === expected
  }

  #isChained(link: Link): boolean {
    return this.#previous.some(mac => follows(this.#key, mac, link))
  }

  #compareMarks({ n, mac }: Link, at: Place): void {
    for (const { n: marked, mac: expected, name } of this.#expected) {
      if (marked !== n || isSameMac(expected, mac)) continue
      this.find({
        ...at,
        what: `line ${n} is another one than ${name} says: the log was put back, or written again`,
      })
    }
  }

  #skipTo(first: number): void {
    this.#n = first - 1
    this.#previous = []
    const kept = this.#kept.get(first)
    if (kept !== undefined) this.#previous = [kept]
  }

  /** What the log says of itself: of files that the KDC removed, and of what it found wrong. */
  #read(text: string, at: Place): void {
    if (!text.includes(OF_THE_LOG)) return
    const { kind, outcome, reason, details } = decodeAuditLine(text)
    if (kind !== 'log') return
    if (outcome === 'failed' && reason !== DROPPED)
      this.find({ ...at, what: `the KDC noted then: ${reason}` })
    if (reason !== REMOVED || typeof details !== 'object' || details === null) return
    const { from, previous } = details as Record<string, unknown>
    const mac = typeof previous === 'string' ? base64urlBytes(previous) : undefined
    if (typeof from === 'number' && mac !== undefined) this.#kept.set(from, mac)
  }

  /** The log begins with line 1, or where a line says that what was before was removed. */
  #requireStart(): void {
    const link = this.#firstLink
    if (link === undefined || link.n === 1) return
    const previous = this.#kept.get(link.n)
    if (previous !== undefined && follows(this.#key, previous, link)) return
    const what =
      previous === undefined
        ? `files with lines up to ${link.n - 1} are missing, and the KDC did not remove them for their age or size`
        : `line ${link.n}, the first one that is kept, was edited`
    this.find({ what })
  }
}

const OF_THE_LOG = '"kind":"log"'

interface Foreign {
  readonly line: number
  readonly offset: number
  readonly end: number
  readonly isWhole: boolean
}

const NO_LINE = 'this is no line of the log: it was cut, edited or put in'

function missing(first: number, last: number): string {
  return first === last ? `line ${first} is missing` : `lines ${first} to ${last} are missing`
}

function halfLineOf(text: string): { offset: unknown; bytes: unknown; digest: unknown } | undefined {
  if (!text.includes(HALF_LINE)) return undefined
  try {
    const { kind, reason, details } = decodeAuditLine(text)
    if (kind !== 'log' || reason !== HALF_LINE || typeof details !== 'object' || details === null)
      return undefined
    const { offset, bytes, digest } = details as Record<string, unknown>
    return { offset, bytes, digest }
  } catch {
    return undefined
  }
}

import { isPlainPath } from '../ticket/caveat-path.js'
import { compareNames } from '../ticket/claim-names.js'
import type { Claims, ClaimValue } from '../ticket/claims.js'
import { DAY, HOUR, MINUTE, parseDuration, SECOND } from '../time.js'
import type { RuleRate } from './rule.js'

/** The words of a policy file: how each value is read and written. Every `read...` throws TypeError. */

/** The words of a line. What is between quotes is one word, quotes included, or a part of one. */
export function wordsOf(line: string): string[] {
  const words: string[] = []
  for (let start = endOf(SPACE, line, 0); start < line.length; ) {
    const end = endOf(WORD, line, start)
    if (end === start) throw new TypeError('a quote that is not closed')
    words.push(line.slice(start, end))
    start = endOf(SPACE, line, end)
  }
  return words
}

const SPACE = /\s*/y
const WORD = /(?:"(?:[^"\\]|\\.)*"|[^\s"])*/y

/** Where what begins there ends. Without the object of a match, which takes many times the memory of a short word. */
function endOf(pattern: RegExp, line: string, start: number): number {
  pattern.lastIndex = start
  return pattern.test(line) ? pattern.lastIndex : start
}

/** What would let one claim pass for another: controls, and letters and signs that are drawn as nothing. */
const UNSEEN = /[\p{C}\p{Default_Ignorable_Code_Point}\u2800]/u

/** As JSON, with whatever a terminal or an editor would not show as it is escaped. */
function jsonOf(value: string | readonly string[]): string {
  return JSON.stringify(value).replace(
    /[\p{C}\p{Default_Ignorable_Code_Point}\u2028\u2029\u2800]/gu,
    hidden => Array.from({ length: hidden.length }, (_, i) => escaped(hidden.charCodeAt(i))).join(''),
  )
}

function escaped(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, '0')}`
}

/** A text is quoted, as JSON, if it would not be read back as it is. */
export function quotedText(text: string): string {
  return !UNSEEN.test(text) && /^[^\s"=:\\[\]{}][^\s"\\]*$/u.test(text) ? text : jsonOf(text)
}

function unquoted(word: string): string {
  if (!word.startsWith('"')) return word
  const text = parsedJson(word)
  if (typeof text === 'string') return text
  throw new TypeError(`not a text: ${word}`)
}

function parsedJson(word: string): unknown {
  try {
    return JSON.parse(word)
  } catch {
    throw new TypeError(`not well written: ${word.slice(0, 80)}`)
  }
}

/** `name=text`, or `name:=3`, `name:=true`, `name:=["a","b"]`. */
export function readClaim(word: string): readonly [name: string, value: ClaimValue] {
  const [, name, typed, value] = /^("(?:[^"\\]|\\.)*"|[^"=:]+)(:?)=(.*)$/s.exec(word) ?? []
  if (name === undefined || value === undefined)
    throw new TypeError(
      `not a claim: ${word.slice(0, 80)}; write name=text, name:=3, name:=true or name:=["a"]`,
    )
  return [unquoted(name), typed === ':' ? readTyped(value) : unquoted(value)]
}

function readTyped(text: string): ClaimValue {
  const value = parsedJson(text)
  if (typeof value === 'boolean') return value
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0))
    return value
  if (Array.isArray(value) && value.every(item => typeof item === 'string')) return value
  throw new TypeError(
    `after := write a whole number from 0, true, false or a list of texts; not ${text.slice(0, 80)}`,
  )
}

export function writeClaim(name: string, value: ClaimValue): string {
  const key = !UNSEEN.test(name) && /^[^\s"=:\\]+$/u.test(name) ? name : jsonOf(name)
  return typeof value === 'string'
    ? `${key}=${value === '' ? '' : quotedText(value)}`
    : `${key}:=${typeof value === 'object' ? jsonOf(value) : value}`
}

/** In the order that claims have. @throws TypeError for a name twice */
export function claimsOf(claims: readonly (readonly [name: string, value: ClaimValue])[]): Claims {
  const sorted = [...claims].sort(([one], [other]) => compareNames(one, other))
  const twice = sorted.find(([name], i) => i > 0 && sorted[i - 1]?.[0] === name)
  if (twice !== undefined)
    throw new TypeError(`the claim ${twice[0]} twice; a list is written ${twice[0]}:=["a","b"]`)
  return sorted
}

export function readDuration(text: string): number {
  const milliseconds = /^([1-9][0-9]{0,14})ms$/.exec(text)?.[1]
  const duration = milliseconds === undefined ? parseDuration(text) : Number(milliseconds)
  if (duration !== undefined) return duration
  throw new TypeError(`not a time: ${text.slice(0, 40)}; write it as 90s, 15m, 1h or 7d`)
}

export function writeDuration(milliseconds: number): string {
  const [unit, size] = UNITS.find(([, size]) => milliseconds % size === 0) ?? ['ms', 1]
  return `${milliseconds / size}${unit}`
}

const UNITS = [
  ['d', DAY],
  ['h', HOUR],
  ['m', MINUTE],
  ['s', SECOND],
] as const

export function readInstant(text: string): number {
  const isInstant = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{3})?)?Z)?$/.test(text)
  const time = isInstant ? Date.parse(text) : Number.NaN
  // `Date.parse` reads a day that does not exist as one of the next month.
  if (!Number.isNaN(time) && new Date(time).toISOString().startsWith(text.slice(0, 10))) return time
  throw new TypeError(`not a date: ${text.slice(0, 40)}; write it as 2027-01-31 or 2027-01-31T12:00:00Z`)
}

export function writeInstant(time: number): string {
  return new Date(time).toISOString().replace('.000Z', 'Z').replace('T00:00:00Z', '')
}

export function readRate(text: string): RuleRate {
  const [, points, length] = /^([1-9][0-9]{0,6})\/(.+)$/.exec(text) ?? []
  if (points !== undefined && length !== undefined) {
    const whole = /^[smh]$/.test(length) ? `1${length}` : length
    return { points: Number(points), interval: readDuration(whole) }
  }
  throw new TypeError(`not a rate: ${text.slice(0, 40)}; write it as 10/s, 600/m or 1000/h`)
}

export function writeRate({ points, interval }: RuleRate): string {
  return `${points}/${writeDuration(interval).replace(/^1(?=[smh]$)/, '')}`
}

/** `GET,HEAD` */
export function readMethods(text: string): string[] {
  const methods = text.split(',')
  if (methods.every(method => /^[A-Z][A-Z0-9-]*$/.test(method))) return methods
  throw new TypeError(`not a list of methods: ${text.slice(0, 80)}; write it as GET,HEAD`)
}

/** `/a,/b`, or `["/a,b"]` for a path with a comma in it. */
export function readPaths(text: string): string[] {
  const paths = text.startsWith('[') ? readTyped(text) : text.split(',')
  if (Array.isArray(paths) && paths.every(isPlainPath)) return paths
  throw new TypeError(`not a list of paths: ${text.slice(0, 80)}; write it as /a,/b`)
}

export function writePaths(paths: readonly string[]): string {
  return paths.some(path => path.includes(',')) ? jsonOf(paths) : paths.join(',')
}

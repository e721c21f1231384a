import { InvalidArgumentError, Option } from 'commander'
import type { RuleRate } from '../shared/administration/rule.js'
import { isPageOrigin } from '../shared/http/origins.js'
import { isPlainPath } from '../shared/ticket/caveat-path.js'
import { compareNames } from '../shared/ticket/claim-names.js'
import type { Claims, ClaimValue } from '../shared/ticket/claims.js'
import { HOUR, MINUTE, parseDuration as readDuration, SECOND } from '../shared/time.js'

/** Values on the command line: parsed, or refused with an example of a right one. */

/** `90s`, `15m`, `1h`, `7d` as milliseconds. */
export function parseDuration(text: string): number {
  const milliseconds = readDuration(text)
  if (milliseconds === undefined) throw new InvalidArgumentError('Write a time as 90s, 15m, 1h or 7d.')
  return milliseconds
}

/** `GET,HEAD` as a list without empty items. */
export function parseList(text: string): string[] {
  const list = text.split(',').map(item => item.trim())
  if (list.some(item => item === ''))
    throw new InvalidArgumentError('Write a list as a,b,c, without empty items.')
  return list
}

/** `/a,/b` as a list of path prefixes. */
export function parsePaths(text: string): string[] {
  const paths = parseList(text)
  const odd = paths.find(path => !isPlainPath(path))
  if (odd === undefined) return paths
  throw new InvalidArgumentError(
    `Paths begin with / and are written as the service sees them, as /a,/b; not ${JSON.stringify(odd.slice(0, 80))}.`,
  )
}

export function parseMethods(text: string): string[] {
  const methods = parseList(text)
  const odd = methods.find(method => !/^[A-Z][A-Z-]{0,31}$/.test(method))
  if (odd !== undefined) throw new InvalidArgumentError(`Methods are in upper case, as GET,HEAD; not ${odd}.`)
  return methods
}

export type ClaimArgument = readonly [name: string, value: string | number | boolean]

/** `name=text`, or `name:=json` for a number or a truth value; added to those `before` it. */
export function parseClaim(text: string, before: ClaimArgument[] = []): ClaimArgument[] {
  const [, name, typed, written] = /^([^=:]+)(:?)=(.*)$/s.exec(text) ?? []
  if (name === undefined || written === undefined) {
    throw new InvalidArgumentError('Write a claim as name=text, or name:=3 and name:=true.')
  }
  before.push([name, typed === ':' ? parseTyped(written) : written])
  return before
}

function parseTyped(text: string): number | boolean {
  if (text === 'true' || text === 'false') return text === 'true'
  const number = Number(text)
  if (!/^(?:0|[1-9][0-9]*)$/.test(text) || !Number.isSafeInteger(number)) {
    throw new InvalidArgumentError('After := write a whole number from 0, true or false.')
  }
  return number
}

/** Names of claims; added to those `before` it. */
export function collectNames(text: string, before: string[] = []): string[] {
  if (text === '' || text.includes('='))
    throw new InvalidArgumentError('Write the name of a claim alone, as role.')
  before.push(text)
  return before
}

/** An option with a default, which help shows as a user would type it. */
export function defaulted<T = string>(
  flags: string,
  description: string,
  typed: string,
  parse: (text: string) => T | string = text => text,
): Option {
  return new Option(flags, description).argParser(parse).default(parse(typed), typed)
}

/** An option that may be given several times: its parser adds to what it is given. */
export class RepeatedOption extends Option {
  constructor(
    flags: string,
    description: string,
    parse: (text: string, before?: readonly string[]) => string[],
  ) {
    super(flags, `${description}; may be repeated`)
    this.argParser(parse)
  }
}

/** An option that begins with `--no-` but is not the opposite of another one: it takes a value. */
export function valued<T>(flags: string, description: string, parse: (text: string, before: T) => T): Option {
  const option = new Option(flags, description).argParser(parse)
  option.negate = false
  return option
}

/** The claims in their order. A name given several times becomes a list of texts. */
export function collectClaims(claims: readonly ClaimArgument[]): Claims {
  const byName = new Map<string, ClaimArgument[1][]>()
  for (const [name, value] of claims) {
    const values = byName.get(name)
    if (values === undefined) byName.set(name, [value])
    else values.push(value)
  }
  return [...byName]
    .map(([name, values]) => [name, claimValue(values)] as const)
    .sort(([a], [b]) => compareNames(a, b))
}

function claimValue(values: readonly ClaimArgument[1][]): ClaimValue {
  const [only] = values
  if (values.length === 1 && only !== undefined) return only
  const texts = values.filter(value => typeof value === 'string')
  if (texts.length === values.length) return texts
  throw new TypeError('a claim given several times is a list, and lists are of texts only')
}

/** `512`, `64k`, `8M` or `1G` as bytes. */
export function parseSize(text: string): number {
  const [, digits, unit = ''] = /^([1-9][0-9]{0,14})([kMG]?)$/.exec(text) ?? []
  const bytes = Number(digits) * (SIZES.get(unit) ?? Number.NaN)
  if (!Number.isSafeInteger(bytes)) throw new InvalidArgumentError('Write a size as 64k, 8M or 1G.')
  return bytes
}

const SIZES: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['k', 2 ** 10],
  ['M', 2 ** 20],
  ['G', 2 ** 30],
])

/** A date or an instant, as `2027-01-31` or `2027-01-31T12:00:00Z`, in milliseconds. */
export function parseInstant(text: string): number {
  const time = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2})?Z)?$/.test(text) ? Date.parse(text) : Number.NaN
  // `Date.parse` reads a day that does not exist as one of the next month.
  if (Number.isNaN(time) || !new Date(time).toISOString().startsWith(text.slice(0, 10))) {
    throw new InvalidArgumentError('Write a date as 2027-01-31 or 2027-01-31T12:00:00Z.')
  }
  return time
}

/** An end: an instant in milliseconds, or how long until then from the moment of the command. */
export type End = { readonly at: number } | { readonly after: number }

/** `2027-01-31`, `2027-01-31T12:00:00Z`, or a duration from now on, as `7d`. */
export function parseEnd(text: string): End {
  const after = readDuration(text)
  if (after !== undefined) return { after }
  try {
    return { at: parseInstant(text) }
  } catch {
    throw new InvalidArgumentError('Write an end as 2027-01-31, 2027-01-31T12:00:00Z, or from now on as 7d.')
  }
}

/** An instant in milliseconds. @param now milliseconds */
export function instantOf(end: End, now: number): number {
  return 'at' in end ? end.at : now + end.after
}

/** `10/s`, `600/m` or `1000/h`. */
export function parseRate(text: string): RuleRate {
  const [, points, unit = ''] = /^([1-9][0-9]{0,6})\/([smh])$/.exec(text) ?? []
  const interval = RATE_UNITS.get(unit)
  if (points === undefined || interval === undefined)
    throw new InvalidArgumentError('Write a rate as 10/s, 600/m or 1000/h.')
  return { points: Number(points), interval }
}

const RATE_UNITS: ReadonlyMap<string, number> = new Map([
  ['s', SECOND],
  ['m', MINUTE],
  ['h', HOUR],
])

/** `https://app.example`, as browsers send it; added to those `before` it. */
export function parseOrigin(text: string, before: readonly string[] = []): string[] {
  const url = URL.canParse(text) ? new URL(text) : undefined
  // An origin of another scheme, such as that of a browser extension, is compared unchanged.
  const origin = url !== undefined && url.href === `${url.origin}/` ? url.origin : text
  if (!isPageOrigin(origin))
    throw new InvalidArgumentError('Write each origin in full, as https://app.example, without a path.')
  return [...before, origin]
}

/** `HOST:PORT`, with an IPv6 address in brackets. */
export function parseListen(text: string): { host: string; port: number } {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-fA-F:]+)\]|([^:\s[\]]+)):([0-9]{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain
  const port = Number(digits)
  if (host === undefined || !(port <= 65_535)) {
    throw new InvalidArgumentError('Write an address as 127.0.0.1:8750 or [::1]:8750.')
  }
  return { host, port }
}

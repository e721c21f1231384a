import { decode, encode, type Value } from '../encoding/encoding.js'
import { fields, listOf, numberOf, principalOf, textOf } from '../encoding/fields.js'
import { malformed, OrthrusError } from '../errors.js'
import type { Principal } from '../principal.js'
import { isInside, isPlainPath, pathFault, pathOf } from './caveat-path.js'
import type { Claims } from './claims.js'

/** The closed list of caveats and what each checks (docs/protocol.md section 5). */

export type Caveat =
  | { readonly name: 'expires'; readonly time: number }
  | { readonly name: 'services'; readonly services: readonly Principal[] }
  | { readonly name: 'methods'; readonly methods: readonly string[] }
  | { readonly name: 'paths'; readonly prefixes: readonly string[] }
  | { readonly name: 'claims'; readonly claims: readonly string[] }
  | { readonly name: 'holder'; readonly holder: Principal }
  | { readonly name: 'app'; readonly app: string; readonly value: Value }

/** Decides whether the value of an `app` caveat holds. */
export type CaveatChecker = (value: Value) => boolean

/** The facts that caveats are checked against. A caveat that needs a missing fact (`undefined`) fails. */
export interface Facts {
  /** Milliseconds. */
  readonly now: number
  readonly service: Principal
  readonly method: string | undefined
  /** The target exactly as it is bound: path and query. */
  readonly target: string | undefined
  /** The principal that presents the ticket as `delegated`. */
  readonly holder: Principal | undefined
  /** The service's own checkers by name. */
  readonly checkers: ReadonlyMap<string, CaveatChecker>
}

/** @throws TypeError if a value cannot be encoded. */
export function encodeCaveat(caveat: Caveat): Uint8Array {
  return encode(toList(caveat))
}

function toList(caveat: Caveat): Value[] {
  switch (caveat.name) {
    case 'expires':
      return [caveat.name, caveat.time]
    case 'services':
      return [caveat.name, [...caveat.services]]
    case 'methods':
      return [caveat.name, [...caveat.methods]]
    case 'paths':
      return [caveat.name, [...caveat.prefixes]]
    case 'claims':
      return [caveat.name, [...caveat.claims]]
    case 'holder':
      return [caveat.name, caveat.holder]
    case 'app':
      return [caveat.name, caveat.app, caveat.value]
  }
}

/**
 * Decoded caveats are remembered by the object that holds their bytes, because remembered tickets and chains present
 * the same objects again. An `app` caveat is not remembered: in memory its value may take fifty times its length, and
 * it is given to a checker that could change it.
 */
const decoded = new WeakMap<Uint8Array, Caveat>()

/** Checks form and name. @param bytes must not be changed. @throws OrthrusError `caveat_failed` */
export function decodeCaveat(bytes: Uint8Array): Caveat {
  let caveat = decoded.get(bytes)
  if (caveat === undefined) {
    caveat = decodeUnremembered(bytes)
    if (caveat.name !== 'app') decoded.set(bytes, caveat)
  }
  return caveat
}

function decodeUnremembered(bytes: Uint8Array): Caveat {
  try {
    return fromList(decode(bytes))
  } catch (cause) {
    if (cause instanceof OrthrusError) throw caveatFailed('a caveat', `is malformed: ${cause.reason}`)
    throw cause
  }
}

function fromList(list: Value[]): Caveat {
  const name = textOf(list[0])
  if (name === 'app') {
    const [, app, value] = fields(list, 3)
    return { name, app: textOf(app), value: value as Value }
  }
  const [, argument] = fields(list, 2)
  switch (name) {
    case 'expires':
      return { name, time: numberOf(argument) }
    case 'services':
      return { name, services: listOf(argument).map(principalOf) }
    case 'methods':
      return { name, methods: listOf(argument).map(textOf) }
    case 'paths':
      return { name, prefixes: listOf(argument).map(prefixOf) }
    case 'claims':
      return { name, claims: listOf(argument).map(textOf) }
    case 'holder':
      return { name, holder: principalOf(argument) }
    default:
      throw malformed(`unknown caveat ${JSON.stringify(name.slice(0, 40))}`)
  }
}

function prefixOf(value: Value): string {
  const prefix = textOf(value)
  if (!isPlainPath(prefix)) throw malformed('an ambiguous path prefix')
  return prefix
}

/** Checks each caveat exactly once. @throws OrthrusError `caveat_failed` if any does not hold */
export function requireCaveats(caveats: readonly Caveat[], facts: Facts): void {
  for (const caveat of caveats) requireCaveat(caveat, facts)
}

function requireCaveat(caveat: Caveat, facts: Facts): void {
  if (holds(caveat, facts)) return
  const label =
    caveat.name === 'app' ? `the caveat app ${JSON.stringify(caveat.app)}` : `the caveat ${caveat.name}`
  throw caveatFailed(label, `does not hold: ${factOf(caveat, facts)}`)
}

function holds(caveat: Caveat, facts: Facts): boolean {
  switch (caveat.name) {
    case 'expires':
      return facts.now < caveat.time
    case 'services':
      return caveat.services.includes(facts.service)
    case 'methods':
      return facts.method !== undefined && caveat.methods.includes(facts.method)
    case 'paths':
      return isInside(pathOf(facts.target), caveat.prefixes)
    case 'claims':
      return true
    case 'holder':
      return facts.holder === caveat.holder
    case 'app':
      return facts.checkers.get(caveat.app)?.(caveat.value) === true
  }
}

/** For the service's log: what the caveat required and what was found. */
function factOf(caveat: Caveat, facts: Facts): string {
  switch (caveat.name) {
    case 'expires':
      return `it ended at ${caveat.time}, now is ${facts.now}`
    case 'services':
      return `${facts.service} is not among ${caveat.services.join(', ')}`
    case 'methods':
      return `${facts.method ?? 'no method'} is not among ${caveat.methods.join(', ')}`
    case 'paths':
      return pathFact(pathOf(facts.target), caveat.prefixes)
    case 'claims':
      return 'never'
    case 'holder':
      return `presented by ${facts.holder ?? 'the client itself'}, made for ${caveat.holder}`
    case 'app':
      return facts.checkers.has(caveat.app) ? 'its checker refused' : 'this service has no checker for it'
  }
}

function pathFact(path: string | undefined, prefixes: readonly string[]): string {
  const fault = path === undefined ? undefined : pathFault(path)
  if (fault !== undefined) return `${JSON.stringify(path)} is inside no prefix: ${fault}`
  return `${JSON.stringify(path ?? null)} is not inside ${prefixes.join(', ')}`
}

function caveatFailed(label: string, reason: string): OrthrusError {
  return new OrthrusError('caveat_failed', `${label} ${reason}`, { final: true })
}

export interface VisibleClaims {
  readonly claims: Claims
  /** Whether the ticket has claims that its caveats withhold. */
  readonly withheld: boolean
}

/** The claims that every `claims` caveat of the ticket names. */
export function visibleClaims(claims: Claims, caveats: readonly Caveat[]): VisibleClaims {
  const visible = claims.filter(([name]) =>
    caveats.every(caveat => caveat.name !== 'claims' || caveat.claims.includes(name)),
  )
  return { claims: visible, withheld: visible.length < claims.length }
}

/** The earliest `expires` in the list, or infinity. */
export function earliestExpiry(caveats: readonly Caveat[]): number {
  return Math.min(
    Number.POSITIVE_INFINITY,
    ...caveats.map(caveat => (caveat.name === 'expires' ? caveat.time : Number.POSITIVE_INFINITY)),
  )
}

/** Whether every `services` caveat in the list names the service. */
export function allowsService(caveats: readonly Caveat[], service: Principal): boolean {
  return caveats.every(caveat => caveat.name !== 'services' || caveat.services.includes(service))
}

import { nearestOf } from '../options.js'
import { type Pattern, parseGroup, patternIn, shortPattern } from '../pattern.js'
import { isReserved, type Principal, parseRealm, principalIn, type RealmName } from '../principal.js'
import { type Expectation, parseExpectation } from './policy-expectation.js'
import {
  claimsOf,
  readClaim,
  readDuration,
  readInstant,
  readMethods,
  readPaths,
  readRate,
  wordsOf,
  writeClaim,
  writeDuration,
  writeInstant,
  writePaths,
  writeRate,
} from './policy-text.js'
import { NO_TERMS, type PolicyRule } from './rule.js'

/**
 * Policy as a text file: a line for each group and each rule, in the words of `orthrus admin`, and beside them what is
 * expected of them. The first line says which version of the form it is.
 */

export const POLICY_FILE_HEADER = '# orthrus policy 1'

/** The policy of a realm: all groups with their members, and all rules. */
export interface Policy {
  readonly groups: ReadonlyMap<Pattern, readonly Principal[]>
  readonly rules: readonly PolicyRule[]
}

export interface PolicyFile extends Policy {
  readonly realm: RealmName
  readonly expectations: readonly Expectation[]
  /** The line that each rule is on. */
  readonly lines: ReadonlyMap<PolicyRule, number>
}

/** Says which line of a policy file is wrong, and how. */
export class PolicyFileError extends TypeError {
  override readonly name = 'PolicyFileError'
  /** From 1. */
  readonly line: number

  constructor(line: number, cause: TypeError) {
    super(`line ${line}: ${cause.message}`, { cause })
    this.line = line
  }
}

const KINDS = ['realm', 'group', 'allow', 'deny', 'expect'] as const

interface Draft {
  realm: RealmName | undefined
  readonly groups: Map<Pattern, readonly Principal[]>
  readonly rules: PolicyRule[]
  readonly lines: Map<PolicyRule, number>
  readonly expectations: Expectation[]
}

/** @throws PolicyFileError for the first line that is wrong */
export function parsePolicyFile(text: string): PolicyFile {
  const lines = text.split(/\r?\n/)
  at(1, () => requireHeader(lines[0] ?? ''))
  const draft: Draft = { realm: undefined, groups: new Map(), rules: [], lines: new Map(), expectations: [] }
  for (const [i, line] of lines.entries()) {
    if (!saysNothing(line)) at(i + 1, () => readLine(draft, line, i + 1))
  }
  const { realm, ...rest } = draft
  if (realm === undefined)
    return at(lines.length, () => mistake('no realm: write a line as "realm demo.example"'))
  return { realm, ...rest }
}

/** Expectations alone, in a file of their own beside the policy. @throws PolicyFileError */
export function parseExpectations(text: string, realm: RealmName): Expectation[] {
  const lines = text.split(/\r?\n/)
  at(1, () => requireHeader(lines[0] ?? ''))
  const draft: Draft = { realm, groups: new Map(), rules: [], lines: new Map(), expectations: [] }
  for (const [i, line] of lines.entries()) {
    if (saysNothing(line)) continue
    at(i + 1, () => {
      const [kind = ''] = wordsOf(line)
      if (kind !== 'expect' && kind !== 'realm')
        return mistake(`only what is expected belongs here, not "${kind}"`)
      if (kind === 'realm' && wordsOf(line)[1] !== realm)
        return mistake(`the policy is of the realm ${realm}`)
      return kind === 'expect' ? readLine(draft, line, i + 1) : undefined
    })
  }
  return draft.expectations
}

function at<T>(line: number, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw cause instanceof TypeError ? new PolicyFileError(line, cause) : cause
  }
}

function mistake(what: string): never {
  throw new TypeError(what)
}

function requireHeader(line: string): void {
  if (line === POLICY_FILE_HEADER) return
  const version = /^# orthrus policy ([0-9]+)$/.exec(line)?.[1]
  if (version !== undefined)
    mistake(`version ${version} of the form, and this version of orthrus reads version 1`)
  mistake(`the first line must be "${POLICY_FILE_HEADER}"`)
}

/** Whether it is empty or a comment. */
function saysNothing(line: string): boolean {
  return /^\s*(?:#|$)/.test(line)
}

function readLine(draft: Draft, line: string, number: number): void {
  const [kind = '', ...words] = wordsOf(line)
  if (kind === 'realm') {
    readRealm(draft, words)
    return
  }
  const known = KINDS.find(each => each === kind)
  if (known === undefined) mistake(`unknown "${kind.slice(0, 40)}"${meant(kind, KINDS)}`)
  const { realm } = draft
  if (realm === undefined) mistake('the line "realm NAME" must come before it')
  if (known === 'expect') draft.expectations.push(parseExpectation(words, realm, number))
  else if (known === 'group') readGroup(draft, realm, words)
  else readRule(draft, realm, known as 'allow' | 'deny', words, number)
}

function meant(word: string, choices: readonly string[]): string {
  const nearest = nearestOf(word, choices)
  return nearest === undefined ? `; there is ${choices.join(', ')}` : `; did you mean "${nearest}"?`
}

function readRealm(draft: Draft, [name, ...rest]: readonly string[]): void {
  if (name === undefined || rest.length > 0) mistake('write one realm, as "realm demo.example"')
  if (draft.realm !== undefined) mistake('the realm twice')
  draft.realm = parseRealm(name)
}

function readGroup({ groups }: Draft, realm: RealmName, [name, ...names]: readonly string[]): void {
  if (name === undefined || names.length === 0)
    mistake('write a group with its members, as "group backend web orders"')
  const group = parseGroup(name)
  if (groups.has(group)) mistake(`${group} is there already: write all its members in one line`)
  const members = names.map(each => principalIn(realm, each))
  const odd = members.find(member => isReserved(member))
  if (odd !== undefined) mistake(`${odd} can be in no group`)
  if (new Set(members).size < members.length) mistake('a member twice')
  groups.set(group, members.sort())
}

function readRule(
  { rules, lines }: Draft,
  realm: RealmName,
  effect: PolicyRule['effect'],
  [from, to, ...words]: readonly string[],
  number: number,
): void {
  if (from === undefined || to === undefined)
    mistake(`write a client and a service, as "${effect} web orders"`)
  const [client, service] = [patternIn(realm, from), patternIn(realm, to)]
  const same = rules.find(rule => rule.client === client && rule.service === service)
  if (same !== undefined) mistake(`the pair is in line ${lines.get(same)} already`)
  const rule = { client, service, effect, ...readTerms(effect, words) }
  rules.push(rule)
  lines.set(rule, number)
}

type Terms = Omit<PolicyRule, 'client' | 'service' | 'effect'>
type Reader = (text: string) => Partial<Terms>

const TERMS: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ['--max-life', text => ({ maxLife: readDuration(text) })],
  ['--methods', text => ({ methods: readMethods(text) })],
  ['--paths', text => ({ paths: readPaths(text) })],
  ['--until', text => ({ until: readInstant(text) })],
  ['--rate', text => ({ rate: readRate(text) })],
])
const WORDS = ['--claim', '--delegable', ...TERMS.keys()]

function readTerms(effect: PolicyRule['effect'], words: readonly string[]): Terms {
  let terms: Terms = NO_TERMS
  const claims: ReturnType<typeof readClaim>[] = []
  const seen = new Set<string>()
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? ''
    if (!WORDS.includes(word)) mistake(`unknown "${word.slice(0, 40)}"${meant(word, WORDS)}`)
    if (effect === 'deny' && word !== '--until') mistake(`a denial has no ${word}`)
    if (word !== '--claim' && seen.has(word)) mistake(`${word} twice`)
    seen.add(word)
    if (word === '--delegable') {
      terms = { ...terms, delegable: true }
      continue
    }
    const value = words[++i]
    if (value === undefined) mistake(`${word} needs a value`)
    if (word === '--claim') claims.push(readClaim(value))
    else terms = { ...terms, ...TERMS.get(word)?.(value) }
  }
  return { ...terms, claims: claimsOf(claims) }
}

/** The same policy always gives the same text: groups, then rules, each in the order of their names. */
export function formatPolicyFile(realm: RealmName, { groups, rules }: Policy): string {
  const lines = [POLICY_FILE_HEADER, `realm ${realm}`, '']
  for (const [group, members] of [...groups].sort(([one], [other]) => (one < other ? -1 : 1)))
    lines.push(
      ['group', group.slice(1), ...[...members].sort().map(each => shortPattern(realm, each))].join(' '),
    )
  if (groups.size > 0) lines.push('')
  for (const rule of [...rules].sort(byPair)) lines.push(ruleLine(realm, rule))
  return `${lines.join('\n').trimEnd()}\n`
}

/** In the order in which the KDC lists them. */
export function byPair(one: PolicyRule, other: PolicyRule): number {
  const [left, right] = [one, other].map(({ client, service }) => `${client} ${service}`) as [string, string]
  return left < right ? -1 : Number(left > right)
}

/** A rule as a line of the file. */
export function ruleLine(realm: RealmName, rule: PolicyRule): string {
  const { client, service, effect, claims, maxLife, methods, paths, delegable, until, rate } = rule
  return [
    effect,
    shortPattern(realm, client),
    shortPattern(realm, service),
    ...claims.map(([name, value]) => `--claim ${writeClaim(name, value)}`),
    ...(maxLife === null ? [] : [`--max-life ${writeDuration(maxLife)}`]),
    ...(methods === null ? [] : [`--methods ${methods.join(',')}`]),
    ...(paths === null ? [] : [`--paths ${writePaths(paths)}`]),
    ...(delegable ? ['--delegable'] : []),
    ...(until === null ? [] : [`--until ${writeInstant(until)}`]),
    ...(rate === null ? [] : [`--rate ${writeRate(rate)}`]),
  ].join(' ')
}

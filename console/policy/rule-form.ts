import {
  claimsOf,
  readClaim,
  readDuration,
  readInstant,
  readMethods,
  readPaths,
  readRate,
  writeClaim,
  writeDuration,
  writeInstant,
  writePaths,
  writeRate,
} from '../../shared/administration/policy-text.js'
import { NO_TERMS, type PolicyRule } from '../../shared/administration/rule.js'
import { patternIn, shortPattern } from '../../shared/pattern.js'
import type { RealmName } from '../../shared/principal.js'
import { parseDuration } from '../../shared/time.js'

/** A rule as it stands in a form: texts in the words of a policy file. */
export interface RuleForm {
  readonly client: string
  readonly service: string
  readonly effect: PolicyRule['effect']
  /** One on each line. */
  readonly claims: string
  readonly maxLife: string
  readonly methods: string
  readonly paths: string
  readonly delegable: boolean
  readonly until: string
  readonly rate: string
}

export const NEW_RULE: RuleForm = {
  client: '',
  service: '',
  effect: 'allow',
  claims: '',
  maxLife: '',
  methods: '',
  paths: '',
  delegable: false,
  until: '',
  rate: '',
}

export function formOf(realm: RealmName, rule: PolicyRule): RuleForm {
  const { client, service, effect, claims, maxLife, methods, paths, delegable, until, rate } = rule
  return {
    client: shortPattern(realm, client),
    service: shortPattern(realm, service),
    effect,
    claims: claims.map(([name, value]) => writeClaim(name, value)).join('\n'),
    maxLife: maxLife === null ? '' : writeDuration(maxLife),
    methods: methods?.join(',') ?? '',
    paths: paths === null ? '' : writePaths(paths),
    delegable,
    until: until === null ? '' : writeInstant(until),
    rate: rate === null ? '' : writeRate(rate),
  }
}

export type FormField = Exclude<keyof RuleForm, 'effect' | 'delegable'>

/** The rule that a form says, or what is wrong with which field. @param now KDC time, milliseconds */
export type ReadForm =
  | { readonly rule: PolicyRule }
  | { readonly problems: Readonly<Partial<Record<FormField, string>>> }

export function ruleIn(realm: RealmName, form: RuleForm, now: number): ReadForm {
  const problems: Partial<Record<FormField, string>> = {}
  /** What an empty field means, or what is read from it. */
  const read = <T, E>(field: FormField, empty: E, reading: (text: string) => T): T | E => {
    const text = form[field].trim()
    if (text === '') return empty
    try {
      return reading(text)
    } catch (cause) {
      if (!(cause instanceof TypeError)) throw cause
      problems[field] = cause.message
      return empty
    }
  }
  const pattern = (text: string) => patternIn(realm, text)
  const [client, service] = [read('client', null, pattern), read('service', null, pattern)]
  if (client === null) problems.client ??= 'write a name, web/*, @backend or *'
  if (service === null) problems.service ??= 'write a name, web/*, @backend or *'
  const until = read('until', null, text => instantIn(text, now))
  const terms =
    form.effect === 'deny'
      ? { ...NO_TERMS, until }
      : {
          claims: read('claims', [], claimsIn),
          maxLife: read('maxLife', null, readDuration),
          methods: read('methods', null, readMethods),
          paths: read('paths', null, readPaths),
          delegable: form.delegable,
          until,
          rate: read('rate', null, readRate),
        }
  if (Object.keys(problems).length > 0 || client === null || service === null) return { problems }
  return { rule: { client, service, effect: form.effect, ...terms } }
}

/** A date, or how long from now on. */
function instantIn(text: string, now: number): number {
  const after = parseDuration(text)
  return after === undefined ? readInstant(text) : now + after
}

function claimsIn(text: string): PolicyRule['claims'] {
  const lines = text.split('\n').map(line => line.trim())
  return claimsOf(lines.filter(line => line !== '').map(readClaim))
}

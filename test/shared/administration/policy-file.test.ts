import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { policyChange } from '../../../shared/administration/policy-change.js'
import {
  formatPolicyFile,
  type Policy,
  parseExpectations,
  parsePolicyFile,
} from '../../../shared/administration/policy-file.js'
import { NO_TERMS, type PolicyRule } from '../../../shared/administration/rule.js'
import type { Pattern } from '../../../shared/pattern.js'
import { type Principal, parseRealm, principalIn } from '../../../shared/principal.js'
import { compareNames } from '../../../shared/ticket/claim-names.js'
import type { Claims } from '../../../shared/ticket/claims.js'

const REALM = parseRealm('demo.example')
const HEAD = '# orthrus policy 1\nrealm demo.example\n'

const text = fc
  .oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('reader', 'a b', '"', '\\', '=x', '[', '', ' ', 'ä', '\u2028', '\u0085', '#', '-'),
  )
  .filter(value => value.isWellFormed())
const claims: fc.Arbitrary<Claims> = fc
  .uniqueArray(
    fc.tuple(
      text.filter(name => name !== ''),
      fc.oneof(text, fc.nat(), fc.boolean(), fc.array(text, { maxLength: 3 })),
    ),
    { selector: ([name]) => name, maxLength: 4 },
  )
  .map(list => list.sort(([one], [other]) => compareNames(one, other)))
const orNull = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null })
const terms = fc.record({
  claims,
  maxLife: orNull(fc.integer({ min: 1, max: 2 ** 40 })),
  methods: orNull(fc.subarray(['GET', 'HEAD', 'M-SEARCH'], { minLength: 1 })),
  paths: orNull(fc.subarray(['/', '/a', '/a,b', "/a'(b)", '/%41'], { minLength: 1 })),
  delegable: fc.boolean(),
  until: orNull(fc.integer({ min: 0, max: 4e12 })),
  rate: orNull(
    fc.record({
      points: fc.integer({ min: 1, max: 1e6 }),
      interval: fc.constantFrom(1000, 60_000, 3_600_000, 1500, 10_000),
    }),
  ),
})
const pattern = fc.constantFrom(
  '*',
  '@backend',
  'web@demo.example',
  'web/*@demo.example',
  'x@other.example',
) as fc.Arbitrary<Pattern>
const rules: fc.Arbitrary<PolicyRule[]> = fc.uniqueArray(
  fc.oneof(
    fc
      .tuple(pattern, pattern, terms)
      .map(([client, service, rest]) => ({ client, service, effect: 'allow' as const, ...rest })),
    fc.tuple(pattern, pattern, terms).map(([client, service, { until }]) => ({
      client,
      service,
      effect: 'deny' as const,
      ...NO_TERMS,
      until,
    })),
  ),
  { selector: ({ client, service }) => `${client} ${service}` },
)
const member = fc.constantFrom('web', 'orders', 'a/1').map(name => principalIn(REALM, name))
const groups = fc
  .dictionary(
    fc.constantFrom('@a', '@backend', '@c_1'),
    fc.uniqueArray(member, { minLength: 1 }).map(list => list.sort()),
  )
  .map(list => new Map(Object.entries(list)) as unknown as Map<Pattern, Principal[]>)

function sorted({ groups, rules }: Policy): unknown {
  const key = ({ client, service }: PolicyRule) => `${client} ${service}`
  return [
    [...groups].sort(([one], [other]) => (one < other ? -1 : 1)),
    [...rules].sort((one, other) => (key(one) < key(other) ? -1 : 1)),
  ]
}

describe('a policy file', () => {
  it('is read back as what was written, in one spelling, whatever the order', () => {
    fc.assert(
      fc.property(groups, rules, (groups, rules) => {
        const text = formatPolicyFile(REALM, { groups, rules })
        const read = parsePolicyFile(text)
        expect(sorted(read)).toEqual(sorted({ groups, rules }))
        expect(formatPolicyFile(REALM, read)).toBe(text)
        const reversed = { groups: new Map([...groups].reverse()), rules: [...rules].reverse() }
        expect(formatPolicyFile(REALM, reversed)).toBe(text)
        expect(text).toMatch(/^[^\p{C}\u2028\u2029]*$/mu)
      }),
    )
  })

  it('never brings anything but a policy or a mistake with its line, whatever is in it', () => {
    const line = fc.oneof(fc.string(), fc.stringMatching(/^(?:allow|deny|group|expect|realm) [ -~]{0,40}$/))
    fc.assert(
      fc.property(fc.array(line), lines => {
        try {
          parsePolicyFile(`${HEAD}${lines.join('\n')}`)
        } catch (cause) {
          expect(cause).toMatchObject({
            name: 'PolicyFileError',
            message: expect.stringMatching(/^line \d+: /),
          })
        }
      }),
    )
  })

  it('reads as people write', () => {
    const file = parsePolicyFile(
      [
        '# orthrus policy 1',
        'realm demo.example',
        '  # a comment',
        '',
        'group backend web   orders',
        'allow @backend billing --claim role=reader --claim "a b"="c d" --claim tier:=3 --claim scope:=["a","b c"] \\'.slice(
          0,
          -2,
        ),
        'allow web orders --max-life 15m --methods GET,HEAD --paths /a,/b --delegable --until 2027-01-31 --rate 600/m',
        'deny * billing --until 2027-01-31T12:00:00Z',
        'expect web can call billing with role=reader tier:=3 GET /x delegable at 2027-01-01',
      ].join('\r\n'),
    )
    expect(file.rules.map(rule => [file.lines.get(rule), rule.claims])).toEqual([
      [
        6,
        [
          ['a b', 'c d'],
          ['role', 'reader'],
          ['scope', ['a', 'b c']],
          ['tier', 3],
        ],
      ],
      [7, []],
      [8, []],
    ])
    expect(file.rules[1]).toMatchObject({
      maxLife: 900_000,
      methods: ['GET', 'HEAD'],
      paths: ['/a', '/b'],
      delegable: true,
      until: Date.UTC(2027, 0, 31),
      rate: { points: 600, interval: 60_000 },
    })
    expect(file.expectations).toEqual([
      {
        line: 9,
        text: 'expect web can call billing with role=reader tier:=3 GET /x delegable at 2027-01-01',
        client: 'web@demo.example',
        service: 'billing@demo.example',
        can: true,
        claims: [
          ['role', 'reader'],
          ['tier', 3],
        ],
        request: { method: 'GET', path: '/x' },
        delegable: true,
        at: Date.UTC(2027, 0, 1),
      },
    ])
  })

  it.each([
    ['alow web orders', 'unknown "alow"; did you mean "allow"?'],
    ['permit web orders', 'unknown "permit"; there is realm, group, allow, deny, expect'],
    ['allow web orders --clam role=x', 'unknown "--clam"; did you mean "--claim"?'],
    ['allow web orders role=x', 'unknown "role=x"; there is --claim'],
    ['allow web', 'write a client and a service, as "allow web orders"'],
    ['allow web orders --claim', '--claim needs a value'],
    ['allow web orders --claim role', 'not a claim: role'],
    ['allow web orders --claim role:=reader', 'not well written'],
    ['allow web orders --claim n:=-1', 'after := write a whole number'],
    ['allow web orders --claim n:=[1]', 'after := write a whole number'],
    ['allow web orders --claim a=1 --claim a=2', 'the claim a twice; a list is written a:=["a","b"]'],
    ['allow web orders --delegable --delegable', '--delegable twice'],
    ['allow web orders --max-life soon', 'not a time: soon'],
    ['allow web orders --methods get', 'not a list of methods: get'],
    ['allow web orders --paths a', 'not a list of paths: a'],
    ['allow web orders --paths /a/../b', 'not a list of paths'],
    ['allow web orders --until 2027-02-30', 'not a date: 2027-02-30'],
    ['allow web orders --rate 10', 'not a rate: 10'],
    ['allow web orders --claim a="b', 'a quote that is not closed'],
    ['deny web orders --claim role=x', 'a denial has no --claim'],
    ['allow Web orders', 'neither a principal nor a pattern: "Web"'],
    ['allow web x\nallow web x --delegable', 'the pair is in line 3 already'],
    ['group backend', 'write a group with its members'],
    ['group back.end web', 'not a name for a group'],
    ['group backend web/*', 'not a principal'],
    ['group backend kdc', 'kdc@demo.example can be in no group'],
    ['group backend web web', 'a member twice'],
    ['group a web\ngroup a orders', '@a is there already'],
    ['realm demo.example', 'the realm twice'],
    ['expect web can orders', 'write "expect web can call orders"'],
    ['expect web may call orders', 'write "expect web can call orders"'],
    ['expect web can call orders wth role=x', 'unknown "wth"; did you mean "with"?'],
    ['expect web can call orders with', '"with" needs a claim'],
    ['expect web can call orders GET', 'a method is followed by a path'],
    ['expect web can call * ', 'not a principal'],
  ])('says what is wrong with %j, and where', (lines, message) => {
    const number = 2 + lines.split('\n').length
    const wrong = {
      name: 'PolicyFileError',
      line: number,
      message: expect.stringContaining(`line ${number}: ${message}`),
    }
    expect(() => parsePolicyFile(`${HEAD}${lines}`)).toThrow(expect.objectContaining(wrong))
  })

  it.each([
    ['', 'line 1: the first line must be "# orthrus policy 1"'],
    ['# orthrus policy 2\n', 'line 1: version 2 of the form, and this version of orthrus reads version 1'],
    ['\ufeff# orthrus policy 1\n', 'line 1: the first line must be'],
    ['# orthrus policy 1\nallow web orders', 'line 2: the line "realm NAME" must come before it'],
    ['# orthrus policy 1\n', 'no realm: write a line as "realm demo.example"'],
    ['# orthrus policy 1\nrealm Demo', 'line 2: not a realm'],
  ])('is refused that begins %j', (text, message) => {
    expect(() => parsePolicyFile(text)).toThrow(
      expect.objectContaining({ message: expect.stringContaining(message) }),
    )
  })

  it('may have what is expected in another file, and nothing else there', () => {
    const read = parseExpectations('# orthrus policy 1\n\nexpect web can call orders\n', REALM)
    expect(read.map(({ line, client }) => [line, client])).toEqual([[3, 'web@demo.example']])
    for (const [text, message] of [
      ['# orthrus policy 1\nallow web orders', 'line 2: only what is expected belongs here, not "allow"'],
      ['# orthrus policy 1\nrealm other.example', 'line 2: the policy is of the realm demo.example'],
    ] as const)
      expect(() => parseExpectations(text, REALM)).toThrow(message)
  })
})

describe('the change from one policy to another', () => {
  const policyOf = (lines: string): Policy => parsePolicyFile(`${HEAD}${lines}`)
  const present = policyOf('group a web\ngroup b web\nallow web orders\nallow web billing')
  const wanted = policyOf('group a orders\nallow web orders --delegable\ndeny web stock')

  it('adds and changes, and takes away only what it is told to', () => {
    const shown = (prune: boolean) => {
      const { rules, members } = policyChange(present, wanted, prune)
      return [
        ...members.map(
          ({ group, principal, joins }) => `${joins ? '+' : '-'}${group} ${principal.split('@')[0]}`,
        ),
        ...rules.map(({ before, after }) =>
          [before, after].map(rule => rule && `${rule.effect} ${rule.service.split('@')[0]}`),
        ),
      ]
    }
    const both = [
      ['allow orders', 'allow orders'],
      [null, 'deny stock'],
    ]
    expect(shown(false)).toEqual(['+@a orders', '-@a web', ...both])
    expect(shown(true)).toEqual(['+@a orders', '-@a web', '-@b web', ['allow billing', null], ...both])
  })

  it('is nothing to itself', () => {
    expect(policyChange(present, present, true)).toEqual({ rules: [], members: [] })
  })
})

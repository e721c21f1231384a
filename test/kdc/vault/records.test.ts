import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodePolicyRecord,
  decodePrincipalRecord,
  decodeRealmRecord,
  decodeRevocationRecord,
  encodePolicyRecord,
  encodePrincipalRecord,
  encodeRealmRecord,
  encodeRevocationRecord,
  type PolicyRecord,
  type PrincipalRecord,
  type RealmRecord,
} from '../../../kdc/vault/records.js'
import { LongTermKey, revealKey } from '../../../shared/crypto/keys.js'
import { decode, encode, type Value } from '../../../shared/encoding/encoding.js'
import type { Pattern } from '../../../shared/pattern.js'
import { parsePrincipal, parseRealm } from '../../../shared/principal.js'
import type { RevocationEntry } from '../../../shared/revocation/entry.js'
import { compareNames } from '../../../shared/ticket/claim-names.js'
import type { Claims } from '../../../shared/ticket/claims.js'

const time = fc.maxSafeNat()
const orNull = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null })
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const word = fc.string({ unit: 'binary', maxLength: 20 })
const words = fc.array(word, { maxLength: 4 })
const principal = fc.constantFrom(...['web@a', 'web/1@demo.example', 'a.b-c_d@x.y'].map(parsePrincipal))
const pattern = fc.constantFrom(
  '*',
  '@backend',
  'web@a',
  'web/*@demo.example',
  'web/1@a',
) as fc.Arbitrary<Pattern>

/** Descending kvnos and the last one of the name, which is not below them. */
const kvnos = fc.uniqueArray(fc.integer({ min: 1, max: 2 ** 40 }), { maxLength: 4 }).chain(list => {
  const kvnos = list.sort((a, b) => b - a)
  return fc.nat(3).map(more => ({ kvnos, lastKvno: (kvnos[0] ?? 0) + more }))
})

const principalRecord: fc.Arbitrary<PrincipalRecord> = kvnos.chain(({ kvnos, lastKvno }) => {
  const keys = kvnos.map((kvno, place) =>
    fc.record({
      kvno: fc.constant(kvno),
      key: bytes(32).map(key => new LongTermKey(key)),
      fromPassword: fc.boolean(),
      createdAt: time,
      state: fc.constant((['next', 'current'] as const)[place] ?? 'old'),
      endsAt: orNull(time),
      stagedBy: orNull(principal),
    }),
  )
  return fc.record({
    name: principal,
    clientId: bytes(8),
    keys: fc.tuple(...keys),
    lastKvno: fc.constant(lastKvno),
    password: orNull(fc.record({ log2N: fc.nat(30), r: fc.nat(), p: fc.nat(), salt: bytes(16) })),
    disabled: fc.boolean(),
    removed: fc.boolean(),
    expiresAt: orNull(time),
    maxLife: orNull(time),
    maxRenew: orNull(time),
    createdAt: time,
    changedAt: time,
    rotationAskedAt: orNull(time),
    invitation: orNull(
      fc.record({
        target: pattern,
        uses: time,
        used: time,
        staged: fc.array(principal, { maxLength: 3 }),
        principalsLife: orNull(time),
        lastUsedAt: orNull(time),
        lastUsedFrom: orNull(word),
        invitedBy: orNull(fc.record({ name: principal, clientId: bytes(8) })),
      }),
    ),
    groups: fc.subarray(['@a', '@backend', '@c']) as fc.Arbitrary<Pattern[]>,
  })
})

const claims: fc.Arbitrary<Claims> = fc
  .uniqueArray(fc.tuple(word, fc.oneof(word, time, fc.boolean(), words)), {
    selector: ([name]) => name,
    maxLength: 4,
  })
  .map(claims => claims.sort(([a], [b]) => compareNames(a, b)))

const policyRecord: fc.Arbitrary<PolicyRecord> = fc.record({
  client: pattern,
  service: pattern,
  effect: fc.constantFrom('allow', 'deny'),
  claims,
  maxLife: orNull(time),
  methods: orNull(words),
  paths: orNull(words),
  delegable: fc.boolean(),
  until: orNull(time),
  rate: orNull(fc.record({ points: fc.integer({ min: 1 }), interval: fc.integer({ min: 1 }) })),
  changedAt: time,
})

const realmRecord: fc.Arbitrary<RealmRecord> = fc.record({
  realm: fc.constantFrom(parseRealm('demo.example'), parseRealm('a')),
  saltSecret: bytes(32),
  maxTgtLife: time,
  maxServiceLife: time,
  maxRenew: time,
  longestLife: time,
  rotation: fc.record({ krbtgt: orNull(time), kdc: orNull(time), principals: orNull(time) }),
  survive: orNull(time),
  logId: bytes(16),
  createdAt: time,
})

const numbers = { seq: fc.integer({ min: 1 }), mark: bytes(8), time, keepUntil: time }
const revocationRecord: fc.Arbitrary<RevocationEntry> = fc.oneof(
  fc.record({ ...numbers, kind: fc.constant('ticket'), principal: orNull(principal), by: bytes(16) }),
  fc.record({ ...numbers, kind: fc.constant('client'), principal: orNull(principal), by: bytes(8) }),
  fc.record({
    ...numbers,
    kind: fc.constant('key'),
    principal: orNull(principal),
    by: fc.integer({ min: 1 }),
  }),
)

/** Keys are opaque, and equal to each other for all that a comparison can see. */
function shown(record: unknown): unknown {
  if (record === null || typeof record !== 'object' || !('keys' in record)) return record
  const { keys, ...rest } = record as PrincipalRecord
  return { ...rest, keys: keys.map(({ key, ...more }) => ({ ...more, key: revealKey(key) })) }
}

interface Form<T> {
  record: fc.Arbitrary<T>
  encodeRecord: (record: T) => Value[]
  decodeRecord: (fields: readonly Value[]) => T
}

function describeForm<T>(name: string, { record, encodeRecord, decodeRecord }: Form<T>): void {
  describe(`a ${name} record`, () => {
    const refused = { name: 'OrthrusError', code: 'unavailable' }

    it('comes back as it was', () => {
      fc.assert(
        fc.property(record, record => {
          const list = encodeRecord(record)
          const again = decodeRecord(decode(encode(list)))
          expect(shown(again)).toEqual(shown(record))
          expect(encode(encodeRecord(again))).toEqual(encode(list))
        }),
      )
    })

    it('is refused with a field that is missing, added or of a wrong type', () => {
      fc.assert(
        fc.property(record, fc.nat(), (record, place) => {
          const list = encodeRecord(record)
          const at = place % list.length
          for (const wrong of [list.toSpliced(at, 1), list.toSpliced(at, 0, 1), list.with(at, [[]]), []]) {
            expect(() => decodeRecord(wrong)).toThrow(expect.objectContaining(refused))
          }
        }),
      )
    })

    it('is refused in a later form', () => {
      const [record1] = fc.sample(record, 1)
      if (record1 === undefined) throw new Error('no sample')
      const list = encodeRecord(record1)
      const form = list[0] as number
      const hint = 'a newer version of orthrus wrote this database: run that version'
      const newer = { ...refused, message: expect.stringContaining(`has form ${form + 1}`), facts: { hint } }
      expect(() => decodeRecord(list.with(0, form + 1))).toThrow(expect.objectContaining(newer))
      expect(() => decodeRecord(list.with(0, 0))).toThrow(expect.objectContaining(refused))
    })
  })
}

describeForm('principal', {
  record: principalRecord,
  encodeRecord: encodePrincipalRecord,
  decodeRecord: decodePrincipalRecord,
})
describeForm('policy', {
  record: policyRecord,
  encodeRecord: encodePolicyRecord,
  decodeRecord: decodePolicyRecord,
})
describeForm('realm', {
  record: realmRecord,
  encodeRecord: encodeRealmRecord,
  decodeRecord: decodeRealmRecord,
})
describeForm('revocation', {
  record: revocationRecord,
  encodeRecord: encodeRevocationRecord,
  decodeRecord: decodeRevocationRecord,
})

const KEY = new Uint8Array(32).fill(9)
const keyed = (...kvnos: number[]): Value[] => kvnos.map(kvno => [kvno, KEY, false, 1, 'old', null, null])
const stated = (...states: string[]): Value[] =>
  states.map((state, place) => [9 - place, KEY, false, 1, state, null, null])
const INVITATION: Value = ['web/*@a', 5, 1, ['web/1@a'], null, null, null, null]
const PRINCIPAL: Value[] = [
  3,
  'web@a',
  new Uint8Array(8),
  keyed(3, 1),
  9,
  [17, 8, 1, new Uint8Array(16)],
  ...[false, false, null, null, null, 1, 1, null, INVITATION],
  ['@a', '@b'],
]
const FIRST_PRINCIPAL: Value[] = [
  1,
  'web@a',
  new Uint8Array(8),
  [
    [3, KEY, false, 1],
    [1, KEY, false, 1],
  ],
  3,
  null,
  ...[false, false, 0, null, null, null, 1, 1],
]
const POLICY: Value[] = [2, 'web@a', '*', 'allow', [['role', 'x']], null, ['GET'], null, false, 1, 5, [10, 1]]
const REALM: Value[] = [2, 'a', new Uint8Array(32), 1, 1, 1, 1, [null, 1, 1], new Uint8Array(16), 1]
const TICKET: Value[] = [2, 5, new Uint8Array(8), 'ticket', null, new Uint8Array(16), 1, 2]

describe('a record of the right types is refused', () => {
  it.each<[string, (list: readonly Value[]) => unknown, Value[], number, Value]>([
    ['with a name outside the grammar', decodePrincipalRecord, PRINCIPAL, 1, 'Web@a'],
    ['with a short client id', decodePrincipalRecord, PRINCIPAL, 2, new Uint8Array(7)],
    ['with the oldest key first', decodePrincipalRecord, PRINCIPAL, 3, keyed(1, 3)],
    ['with a kvno twice', decodePrincipalRecord, PRINCIPAL, 3, keyed(2, 2)],
    ['with a kvno of 0', decodePrincipalRecord, PRINCIPAL, 3, keyed(0)],
    ['with a kvno above the last', decodePrincipalRecord, PRINCIPAL, 3, keyed(10)],
    [
      'with a short key',
      decodePrincipalRecord,
      PRINCIPAL,
      3,
      [[1, KEY.slice(1), false, 1, 'old', null, null]],
    ],
    ['with two current keys', decodePrincipalRecord, PRINCIPAL, 3, stated('current', 'current')],
    ['with two staged keys', decodePrincipalRecord, PRINCIPAL, 3, stated('next', 'next', 'current')],
    ['with a key of an unknown state', decodePrincipalRecord, PRINCIPAL, 3, stated('spare')],
    ['with an invitation of another form', decodePrincipalRecord, PRINCIPAL, 14, ['web/*@a']],
    [
      'with an invitation to no pattern',
      decodePrincipalRecord,
      PRINCIPAL,
      14,
      ['web*', 5, 1, [], null, null, null],
    ],
    [
      'with an invitation whose key no principal has',
      decodePrincipalRecord,
      PRINCIPAL,
      14,
      ['web/*@a', 5, 1, ['web*'], null, null, null],
    ],
    [
      'with a short client id in the first form',
      decodePrincipalRecord,
      FIRST_PRINCIPAL,
      2,
      new Uint8Array(7),
    ],
    ['with a short salt', decodePrincipalRecord, PRINCIPAL, 5, [17, 8, 1, new Uint8Array(15)]],
    ['with a pattern outside the grammar', decodePolicyRecord, POLICY, 1, 'web*@a'],
    ['with a service outside the grammar', decodePolicyRecord, POLICY, 2, '**'],
    ['with an unknown effect', decodePolicyRecord, POLICY, 3, 'constructor'],
    [
      'with a claim twice',
      decodePolicyRecord,
      POLICY,
      4,
      [
        ['role', 'x'],
        ['role', 'y'],
      ],
    ],
    ['with a claim of no type', decodePolicyRecord, POLICY, 4, [['role', null]]],
    ['with a method that is no text', decodePolicyRecord, POLICY, 6, [1]],
    ['with a realm outside the grammar', decodeRealmRecord, REALM, 1, 'A'],
    ['with a short secret', decodeRealmRecord, REALM, 2, new Uint8Array(31)],
    ['with a short log id', decodeRealmRecord, REALM, 8, new Uint8Array(15)],
    ['with a short mark', decodeRevocationRecord, TICKET, 2, new Uint8Array(7)],
    ['with a short ticket id', decodeRevocationRecord, TICKET, 5, new Uint8Array(15)],
    ['with a name for a ticket', decodeRevocationRecord, TICKET, 5, 'web@a'],
    ['with a ticket id for a client', decodeRevocationRecord, TICKET, 3, 'client'],
    ['with an unknown kind', decodeRevocationRecord, TICKET, 3, 'toString'],
  ])('%s', (_, decodeRecord, list, at, wrong) => {
    decodeRecord(list)
    expect(() => decodeRecord(list.with(at, wrong))).toThrow(expect.objectContaining({ code: 'unavailable' }))
  })

  it('before it is written, as the caller’s mistake', () => {
    const record = decodePrincipalRecord(PRINCIPAL)
    expect(() => encodePrincipalRecord({ ...record, lastKvno: 2 })).toThrow(TypeError)
    const policy = decodePolicyRecord(POLICY)
    const many = Array.from({ length: 33 }, (_, i) => [`c${String(i).padStart(2, '0')}`, true] as const)
    expect(() => encodePolicyRecord({ ...policy, claims: many })).toThrow(TypeError)
  })

  it('with an error that shows nothing of its keys', () => {
    try {
      decodePrincipalRecord(PRINCIPAL.with(12, 'x'))
      expect.unreachable()
    } catch (error) {
      expect(JSON.stringify(error) + String(error)).not.toMatch(/9,9|0909/)
    }
  })
})

describe('a principal record of the first form', () => {
  it('has its newest key as the current one, and the others as old ones', () => {
    const { keys, clientId, invitation } = decodePrincipalRecord(FIRST_PRINCIPAL)
    expect(keys.map(({ kvno, state }) => [kvno, state])).toEqual([
      [3, 'current'],
      [1, 'old'],
    ])
    expect(clientId).toEqual(new Uint8Array(8))
    expect(invitation).toBeNull()
  })

  it('has another series where it was cut off, the same at each reading and another for each cut-off', () => {
    const seriesOf = (cutOff: number) =>
      Buffer.from(decodePrincipalRecord(FIRST_PRINCIPAL.with(8, cutOff)).clientId).toString('hex')
    expect(seriesOf(7)).toBe(seriesOf(7))
    expect(new Set([seriesOf(0), seriesOf(7), seriesOf(8)]).size).toBe(3)
  })

  it('is written in the present form', () => {
    expect(encodePrincipalRecord(decodePrincipalRecord(FIRST_PRINCIPAL))[0]).toBe(3)
  })
})

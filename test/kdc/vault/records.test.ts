import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeClockRecord,
  decodePolicyRecord,
  decodePrincipalRecord,
  decodeRealmRecord,
  decodeRevocationRecord,
  encodeClockRecord,
  encodePolicyRecord,
  encodePrincipalRecord,
  encodeRealmRecord,
  encodeRevocationRecord,
  type PolicyRecord,
  type PrincipalRecord,
  type RevocationRecord,
} from '../../../kdc/vault/records.js'
import { LongTermKey, revealKey } from '../../../shared/crypto/keys.js'
import { decode, encode, type Value } from '../../../shared/encoding/encoding.js'
import type { Pattern } from '../../../shared/pattern.js'
import { parsePrincipal, parseRealm } from '../../../shared/principal.js'
import { type Claims, compareNames } from '../../../shared/ticket/claims.js'

const time = fc.maxSafeNat()
const orNull = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null })
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const word = fc.string({ unit: 'binary', maxLength: 20 })
const words = fc.array(word, { maxLength: 4 })
const principal = fc.constantFrom(...['web@a', 'web/1@demo.example', 'a.b-c_d@x.y'].map(parsePrincipal))
const pattern = fc.constantFrom('*', 'web@a', 'web/*@demo.example', 'web/1@a') as fc.Arbitrary<Pattern>

/** Descending kvnos and the last one of the name, which is not below them. */
const kvnos = fc.uniqueArray(fc.integer({ min: 1, max: 2 ** 40 }), { maxLength: 4 }).chain(list => {
  const kvnos = list.sort((a, b) => b - a)
  return fc.nat(3).map(more => ({ kvnos, lastKvno: (kvnos[0] ?? 0) + more }))
})

const principalRecord: fc.Arbitrary<PrincipalRecord> = kvnos.chain(({ kvnos, lastKvno }) => {
  const keys = kvnos.map(kvno =>
    fc.record({
      kvno: fc.constant(kvno),
      key: bytes(32).map(key => new LongTermKey(key)),
      fromPassword: fc.boolean(),
      createdAt: time,
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
    cutOff: time,
    expiresAt: orNull(time),
    maxLife: orNull(time),
    maxRenew: orNull(time),
    createdAt: time,
    changedAt: time,
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
  changedAt: time,
})

const realmRecord = fc.record({
  realm: fc.constantFrom(parseRealm('demo.example'), parseRealm('a')),
  saltSecret: bytes(32),
  maxTgtLife: time,
  maxServiceLife: time,
  maxRenew: time,
  createdAt: time,
})

const numbers = { seq: time, time, extra: orNull(time), keepUntil: time }
const revocationRecord: fc.Arbitrary<RevocationRecord> = fc.oneof(
  fc.record({ ...numbers, kind: fc.constant('ticket'), subject: bytes(16) }),
  fc.record({ ...numbers, kind: fc.constantFrom('client', 'key'), subject: principal }),
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
    const refused = {
      name: 'OrthrusError',
      code: 'unavailable',
      facts: { hint: expect.stringMatching(/version of orthrus/) },
    }

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
      expect(list[0]).toBe(1)
      expect(() => decodeRecord(list.with(0, 2))).toThrow(expect.objectContaining(refused))
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
describeForm('clock', {
  record: fc.record({ newest: time }),
  encodeRecord: encodeClockRecord,
  decodeRecord: decodeClockRecord,
})
describeForm('revocation', {
  record: revocationRecord,
  encodeRecord: encodeRevocationRecord,
  decodeRecord: decodeRevocationRecord,
})

const KEY = new Uint8Array(32).fill(9)
const keyed = (...kvnos: number[]): Value[] => kvnos.map(kvno => [kvno, KEY, false, 1])
const PRINCIPAL: Value[] = [
  1,
  'web@a',
  new Uint8Array(8),
  keyed(3, 1),
  3,
  [17, 8, 1, new Uint8Array(16)],
  ...[false, false, 0, null, null, null, 1, 1],
]
const POLICY: Value[] = [1, 'web@a', '*', 'allow', [['role', 'x']], null, ['GET'], null, false, 1]
const REALM: Value[] = [1, 'a', new Uint8Array(32), 1, 1, 1, 1]
const TICKET: Value[] = [1, 5, 'ticket', new Uint8Array(16), 1, null, 2]

describe('a record of the right types is refused', () => {
  it.each<[string, (list: readonly Value[]) => unknown, Value[], number, Value]>([
    ['with a name outside the grammar', decodePrincipalRecord, PRINCIPAL, 1, 'Web@a'],
    ['with a short client id', decodePrincipalRecord, PRINCIPAL, 2, new Uint8Array(7)],
    ['with the oldest key first', decodePrincipalRecord, PRINCIPAL, 3, keyed(1, 3)],
    ['with a kvno twice', decodePrincipalRecord, PRINCIPAL, 3, keyed(2, 2)],
    ['with a kvno of 0', decodePrincipalRecord, PRINCIPAL, 3, keyed(0)],
    ['with a kvno above the last', decodePrincipalRecord, PRINCIPAL, 3, keyed(4)],
    ['with a short key', decodePrincipalRecord, PRINCIPAL, 3, [[1, KEY.slice(1), false, 1]]],
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
    ['with a short ticket id', decodeRevocationRecord, TICKET, 3, new Uint8Array(15)],
    ['with a name for a ticket', decodeRevocationRecord, TICKET, 3, 'web@a'],
    ['with a ticket id for a client', decodeRevocationRecord, TICKET, 2, 'client'],
    ['with an unknown kind', decodeRevocationRecord, TICKET, 2, 'toString'],
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
      decodePrincipalRecord(PRINCIPAL.with(13, 'x'))
      expect.unreachable()
    } catch (error) {
      expect(JSON.stringify(error) + String(error)).not.toMatch(/9,9|0909/)
    }
  })
})

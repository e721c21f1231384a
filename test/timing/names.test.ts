import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createDispatch, type Dispatch } from '../../kdc/exchange/dispatch.js'
import type { Directory } from '../../kdc/realm/directory.js'
import { newPrincipal } from '../../kdc/realm/principal.js'
import { openRealm } from '../../kdc/realm/realm.js'
import { SILENT_REPORT } from '../../kdc/report/report.js'
import { openLevelStore } from '../../kdc/store/level/store.js'
import { RECORD_KIND } from '../../kdc/store/store.js'
import { encodePrincipalRecord } from '../../kdc/vault/records.js'
import { Vault, type VaultChange } from '../../kdc/vault/vault.js'
import { expand } from '../../shared/crypto/derive.js'
import { LongTermKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { codeOfAnswer } from '../../shared/encoding/error.js'
import { OrthrusError } from '../../shared/errors.js'
import { createAsRequest } from '../../shared/exchange/as.js'
import { ADDRESS, local, type TestRealm, testRealm } from '../support/realm.js'
import { type Comparison, compare, compareTimes, describeComparison } from './welch.js'

/**
 * Whether the time that the KDC takes tells which names exist. The figures are printed; only what no load of the
 * machine can break is asserted. It belongs to the slow set.
 */

const slow = process.env.ORTHRUS_SLOW === '1'
const SAMPLES = 100_000
const UNSEEN = 10
/** On a quiet machine t finds any difference in the end; one that is so small a share of the time proves nothing. */
const SHARE_UNSEEN = 0.03
const SEEN = 50
/** Names that are asked about once each. */
const COLD = 4_000
const WARM_UP = 500
/** LevelDB itself takes a little longer to find a record than to find that there is none. */
const FIRST_GUESSES_APART = 1.4

function quiet({ context }: TestRealm, change: Partial<TestRealm['context']> = {}): Dispatch {
  return createDispatch({ ...context, report: SILENT_REPORT, ...change })
}

/** Requests by somebody who lacks the key, made beforehand. */
function guesses(realm: TestRealm, name: string, kvno: number, count = 64): Uint8Array[] {
  return Array.from({ length: count }, () => requestOf(realm, name, kvno, new LongTermKey(systemRandom(32))))
}

function requestOf({ clock }: TestRealm, name: string, kvno: number, key: LongTermKey): Uint8Array {
  const nonce = systemRandom(16)
  const client = local(name)
  const question = { client, kvno, time: clock.now(), nonce, services: [], lifetime: 0, renewable: false }
  return createAsRequest(key, question).bytes
}

function inTurn(dispatch: Dispatch, requests: readonly Uint8Array[]): () => Promise<Uint8Array> {
  let next = 0
  return () => dispatch(requests[next++ % requests.length] as Uint8Array, ADDRESS)
}

/** @param guesses requests of two kinds, all of which must be refused as wrong guesses: a KDC that fails at every one of
 * them takes the same time for all. */
async function compareGuesses(
  name: string,
  dispatch: Dispatch,
  [one, other]: readonly [readonly Uint8Array[], readonly Uint8Array[]],
  [samples, warmUp]: readonly [number, number?] = [SAMPLES],
): Promise<Comparison> {
  const kinds = [inTurn(dispatch, one), inTurn(dispatch, other)] as const
  const comparison = await compareTimes(...kinds, samples, warmUp)
  for (const next of kinds) expect(codeOfAnswer(await next())).toBe('auth_failed')
  console.log(describeComparison(name, comparison))
  return comparison
}

function expectUnseen({ t, difference, medians }: Comparison): void {
  if (Math.abs(difference) > SHARE_UNSEEN * Math.min(...medians)) expect(Math.abs(t)).toBeLessThan(UNSEEN)
}

async function scene(): Promise<TestRealm> {
  const realm = await testRealm()
  await realm.add('web')
  const parameters = { log2N: 17, r: 8, p: 1, salt: systemRandom(16) }
  await realm.add('ann', { password: { parameters, key: new LongTermKey(systemRandom(32)) } })
  return realm
}

describe('the measure', () => {
  const spread = (from: number) => Array.from({ length: 2_000 }, (_, i) => from + (i % 100) / 100)

  it('finds a difference only where there is one', () => {
    expect(Math.abs(compare(spread(1), spread(1)).t)).toBeLessThan(1e-9)
    expect(compare(spread(1.2), spread(1)).t).toBeGreaterThan(5)
    expect(compare(spread(1), spread(1.2)).t).toBeLessThan(-5)
  })

  it('is not misled by single long times', () => {
    const disturbed = spread(1).map((time, i) => (i % 50 === 0 ? 1_000 : time))
    expect(Math.abs(compare(disturbed, spread(1)).t)).toBeLessThan(3)
  })
})

it('is tried on a KDC that refuses an unknown name in haste, by the same code', async () => {
  const realm = await scene()
  const dispatch = quiet(realm, { realm: { ...realm.realm, directory: hastyDirectory(realm) } })
  for (const name of ['web', 'xyz']) {
    for (const guess of guesses(realm, name, 1, 1))
      expect(codeOfAnswer(await dispatch(guess, ADDRESS))).toBe('auth_failed')
  }
})

describe.skipIf(!slow)('the time of a wrong guess', () => {
  it('does not distinguish a name that exists from one that does not, from the second guess on', async () => {
    const realm = await scene()
    const dispatch = quiet(realm)
    const known = guesses(realm, 'web', 1)
    const unknown = guesses(realm, 'xyz', 1)
    expectUnseen(await compareGuesses('known name, unknown name', dispatch, [known, unknown]))
  })

  it('does not distinguish a kvno that exists from one that does not', async () => {
    const realm = await scene()
    const dispatch = quiet(realm)
    const right = guesses(realm, 'web', 1)
    const wrong = guesses(realm, 'web', 2)
    expectUnseen(await compareGuesses('current kvno, another kvno', dispatch, [right, wrong]))
  })

  it('does not distinguish a name with a password from an unknown one', async () => {
    const realm = await scene()
    const dispatch = quiet(realm)
    const person = guesses(realm, 'ann', 0)
    const nobody = guesses(realm, 'xyz', 0)
    expectUnseen(await compareGuesses('password, unknown name', dispatch, [person, nobody]))
  })

  it('would show if an unknown name were refused before the MAC', async () => {
    const realm = await scene()
    const dispatch = quiet(realm, { realm: { ...realm.realm, directory: hastyDirectory(realm) } })
    const known = guesses(realm, 'web', 1)
    const unknown = guesses(realm, 'xyz', 1)
    const planted = await compareGuesses('planted: known name, unknown name', dispatch, [known, unknown])
    expect(Math.abs(planted.t)).toBeGreaterThan(SEEN)
    expect(() => expectUnseen(planted)).toThrow()
  })
})

describe.skipIf(!slow)('the time of the first guess at a name', () => {
  it('is about the same for a name in use, one only in the store, and an unknown one', async () => {
    const { realm, dispatch, close } = await coldScene()
    try {
      const pairs: [string, string, string][] = [
        ['first guess: in the store, none', 'a', 'w'],
        ['first guess: in use, none', 'u', 'x'],
        ['first guess: in use, in the store', 'v', 'b'],
      ]
      for (const [name, one, other] of pairs) {
        const firstGuesses = [onceEach(realm, one), onceEach(realm, other)] as const
        const { medians } = await compareGuesses(name, dispatch, firstGuesses, [COLD, WARM_UP])
        const [a, b] = medians
        expect(Math.max(a, b) / Math.min(a, b)).toBeLessThan(FIRST_GUESSES_APART)
      }
    } finally {
      await close()
    }
  })
})

/** Refuses like a KDC that looks no further once it found nobody. */
function hastyDirectory({ realm }: TestRealm): Directory {
  const principal: Directory['principal'] = async name => {
    const record = await realm.directory.principal(name)
    if (record === undefined) throw new OrthrusError('auth_failed', 'there is no such principal')
    return record
  }
  const current = { requireCurrent: () => {}, onPrincipal: () => () => {} }
  return { principal, concealGuess: async () => {}, ...current } as unknown as Directory
}

/**
 * A KDC that has just started on a database of thousands: `a...` and `b...` are in it, `u...` and `v...` are in use.
 */
async function coldScene(): Promise<{ realm: TestRealm; dispatch: Dispatch; close: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'orthrus-test-'))
  const before = await testRealm({ store: await openLevelStore(folder, { create: true }) })
  await before.add('web')
  for (const letter of [...STORED, ...IN_USE]) {
    const changes = namesOf(letter).map(name => recordOf(before, name))
    for (let i = 0; i < changes.length; i += 500) await before.vault.commit(changes.slice(i, i + 500))
  }
  await before.store.close()
  const store = await openLevelStore(folder, { create: false })
  const vault = new Vault(store, before.masterKey, systemRandom)
  const opened = await openRealm({ vault, clock: before.clock, random: systemRandom })
  for (const name of IN_USE.flatMap(namesOf)) {
    const key = (await opened.directory.principal(local(name)))?.keys[0]?.key
    if (key !== undefined) expand(key, 'as-req')
  }
  const close = async () => {
    opened.close()
    await store.close()
    await rm(folder, { recursive: true, force: true })
  }
  return { realm: before, dispatch: quiet(before, { realm: opened }), close }
}

const STORED = ['a', 'b']
const IN_USE = ['u', 'v']

function recordOf({ clock }: TestRealm, name: string): VaultChange {
  const key = new LongTermKey(systemRandom(32))
  const record = newPrincipal({ name: local(name), key, now: clock.now(), random: systemRandom })
  return {
    kind: RECORD_KIND.PRINCIPAL,
    name: record.name,
    expected: 0,
    fields: encodePrincipalRecord(record),
  }
}

function namesOf(letter: string): string[] {
  return Array.from({ length: COLD }, (_, i) => `${letter}${String(i).padStart(6, '0')}`)
}

function onceEach(realm: TestRealm, letter: string): Uint8Array[] {
  return namesOf(letter).flatMap(name => guesses(realm, name, 1, 1))
}

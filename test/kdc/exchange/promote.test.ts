import { describe, expect, it } from 'vitest'
import { ownContext } from '../../../kdc/admin/context.js'
import { callMethod } from '../../../kdc/admin/methods.js'
import { createMemoryStore } from '../../../kdc/store/memory.js'
import { type Store, StoreConflict } from '../../../kdc/store/store.js'
import { decodeStagedKey } from '../../../shared/administration/keys.js'
import { toHex } from '../../../shared/bytes.js'
import { deriveNextKey } from '../../../shared/crypto/derive.js'
import { LongTermKey, revealKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { OrthrusError } from '../../../shared/errors.js'
import { HOUR } from '../../../shared/time.js'
import { failureOf } from '../../support/failure.js'
import {
  ask,
  callerOf,
  grantOf,
  type Identity,
  login,
  openedBy,
  outcome,
  START,
  type TestRealm,
  testRealm,
} from '../../support/realm.js'

/** Stages a key, and returns the holder with it. */
async function staged(realm: TestRealm, holder: Identity): Promise<Identity> {
  const context = { ...ownContext(realm.realm, realm.context.report), caller: callerOf(holder.principal) }
  const { kvno, salt } = decodeStagedKey(await callMethod(context, 'next-key', [holder.kvno]))
  return { ...holder, kvno, key: deriveNextKey(holder.key, salt) }
}

async function states(realm: TestRealm, name = 'web'): Promise<string[]> {
  return (await realm.record(name)).keys.map(({ kvno, state }) => `${kvno} ${state}`)
}

async function scene(
  store: Store = createMemoryStore(),
): Promise<{ realm: TestRealm; web: Identity; next: Identity }> {
  const realm = await testRealm({ store })
  const web = await realm.add('web')
  return { realm, web, next: await staged(realm, web) }
}

const hex = ({ key }: Identity): string => toHex(revealKey(key))

describe('the first login with a staged key', () => {
  it('makes it current, and erases the one before from record and memory', async () => {
    const { realm, web, next } = await scene()
    expect(outcome(await login(realm, web))).toBe('reply')
    expect(outcome(await login(realm, next))).toBe('reply')
    const record = await realm.record('web')
    expect(await states(realm)).toEqual(['2 current'])
    expect(record).toMatchObject({ lastKvno: 2, rotationAskedAt: null })
    const remembered = await realm.realm.directory.principal(web.principal)
    for (const { keys } of [record, remembered ?? record]) {
      expect(keys.map(({ key }) => toHex(revealKey(key)))).toEqual([hex(next)])
    }
    expect(outcome(await login(realm, web))).toBe('05 auth_failed')
    expect(outcome(await login(realm, next))).toBe('reply')
  })

  it('is answered only when the change is stored', async () => {
    const { realm, next } = await scene()
    const commit = realm.store.commit.bind(realm.store)
    const seen: string[][] = []
    realm.store.commit = async changes => {
      seen.push(await states(realm))
      await commit(changes)
    }
    const answer = await login(realm, next)
    expect([outcome(answer), seen, await states(realm)]).toEqual([
      'reply',
      [['2 next', '1 current']],
      ['2 current'],
    ])
  })

  it('ends no ticket: those granted before stay good', async () => {
    const { realm, web, next } = await scene()
    await realm.allow('*', 'web')
    const before = grantOf(await login(realm, web, { services: [web.principal] }), 0)
    const { clientId } = await realm.record('web')
    await login(realm, next)
    expect((await realm.record('web')).clientId).toEqual(clientId)
    expect(outcome(await ask(realm, before))).toBe('reply')
  })

  it('is what the first ticket for the principal under the new key waits for', async () => {
    const { realm, web, next } = await scene()
    const user = await realm.add('user')
    await realm.allow('user', 'web')
    const asked = { services: [web.principal] }
    const [under, after] = [grantOf(await login(realm, user, asked), 1), await login(realm, next)]
    expect(openedBy(web, under).client).toBe(user.principal)
    expect(outcome(after)).toBe('reply')
    const later = grantOf(await login(realm, user, asked), 1)
    expect(openedBy(next, later).client).toBe(user.principal)
    expect(() => openedBy(web, later)).toThrow()
  })

  it.each<[string, (realm: TestRealm, next: Identity) => Promise<string>, string]>([
    [
      'with a wrong MAC',
      async (realm, next) => outcome(await login(realm, { ...next, key: new LongTermKey(systemRandom(32)) })),
      '05 auth_failed',
    ],
    [
      'stamped too early',
      async (realm, next) => outcome(await login(realm, next, { time: START - 120_001 })),
      '06 clock_skew',
    ],
    [
      'stamped too late',
      async (realm, next) => outcome(await login(realm, next, { time: START + 120_001 })),
      '06 clock_skew',
    ],
    ['as kvno 0', async (realm, next) => outcome(await login(realm, { ...next, kvno: 0 })), '05 auth_failed'],
    [
      'under the kvno of the current key',
      async (realm, next) => outcome(await login(realm, { ...next, kvno: 1 })),
      '05 auth_failed',
    ],
    [
      'of a principal that is disabled',
      async (realm, next) => {
        await realm.call('disable', [next.principal])
        return outcome(await login(realm, next))
      },
      '06 principal_disabled',
    ],
    [
      'of a principal that has expired',
      async (realm, next) => {
        await realm.amend('web', record => ({ ...record, expiresAt: START }))
        return outcome(await login(realm, next))
      },
      '06 principal_disabled',
    ],
  ])('promotes nothing %s', async (_, act, expected) => {
    const { realm, next } = await scene()
    expect(await act(realm, next)).toBe(expected)
    expect(await states(realm)).toEqual(['2 next', '1 current'])
  })

  it('promotes once, however many come at the same time', async () => {
    const { realm, next } = await scene()
    let commits = 0
    const commit = realm.store.commit.bind(realm.store)
    realm.store.commit = async changes => {
      commits++
      await commit(changes)
    }
    const answers = await Promise.all(Array.from({ length: 8 }, () => login(realm, next)))
    expect(new Set(answers.map(outcome))).toEqual(new Set(['reply']))
    expect([commits, await states(realm)]).toEqual([1, ['2 current']])
  })

  it('leaves a login with the key before, at the same time, as it would be a moment later', async () => {
    for (let turn = 0; turn < 4; turn++) {
      const { realm, web, next } = await scene()
      const both =
        turn % 2 === 0 ? [login(realm, web), login(realm, next)] : [login(realm, next), login(realm, web)]
      const outcomes = (await Promise.all(both)).map(outcome)
      expect(outcomes[turn % 2 === 0 ? 1 : 0]).toBe('reply')
      expect(['reply', '05 auth_failed']).toContain(outcomes[turn % 2])
      expect(await states(realm)).toEqual(['2 current'])
    }
  })

  it('meets a key that was staged in its place meanwhile: nothing is promoted', async () => {
    const { realm, web, next } = await scene()
    const read = realm.vault.read.bind(realm.vault)
    let last: Identity | undefined
    realm.vault.read = async (kind, name) => {
      realm.vault.read = read
      // The login has verified its MAC by now.
      last = await staged({ ...realm }, web)
      return read(kind, name)
    }
    expect(outcome(await login(realm, next))).toBe('05 auth_failed')
    expect(await states(realm)).toEqual(['3 next', '1 current'])
    expect(outcome(await login(realm, last as Identity))).toBe('reply')
    expect(await states(realm)).toEqual(['3 current'])
  })

  it('is what a key was asked for', async () => {
    const { realm, next } = await scene()
    await realm.amend('web', record => ({ ...record, rotationAskedAt: START - HOUR }))
    await login(realm, next)
    expect((await realm.record('web')).rotationAskedAt).toBeNull()
  })
})

/** A store that fails at its next commit, after it has written or in place of it. */
function failing(): { store: Store; fail(cause: Error, writes: boolean): void } {
  const store = createMemoryStore()
  let failure: { cause: Error; writes: boolean } | undefined
  const commit: Store['commit'] = async changes => {
    const now = failure
    failure = undefined
    if (now === undefined) return store.commit(changes)
    if (now.writes) {
      // Written, but nobody is told: the answer was lost.
      const silent = createSilently(store)
      await silent(changes)
    }
    throw now.cause
  }
  const wrapped: Store = {
    get: (...args) => store.get(...args),
    list: (...args) => store.list(...args),
    watch: listener => store.watch((...told) => (isQuiet ? undefined : listener(...told))),
    snapshot: () => store.snapshot(),
    compact: () => store.compact(),
    close: () => store.close(),
    commit,
  }
  let isQuiet = false
  function createSilently(inner: Store): Store['commit'] {
    return async changes => {
      isQuiet = true
      try {
        await inner.commit(changes)
      } finally {
        isQuiet = false
      }
    }
  }
  return {
    store: wrapped,
    fail: (cause, writes) => {
      failure = { cause, writes }
    },
  }
}

describe('a store that fails', () => {
  const lost = () => new OrthrusError('unavailable', 'EIO')

  it.each([true, false])(
    'while a key is staged, having written it: %s: the holder asks again',
    async writes => {
      const { store, fail } = failing()
      const realm = await testRealm({ store })
      const web = await realm.add('web')
      await login(realm, web)
      fail(lost(), writes)
      await failureOf(staged(realm, web))
      const next = await staged(realm, web)
      expect(next.kvno).toBe(writes ? 3 : 2)
      expect(outcome(await login(realm, web))).toBe('reply')
      expect(outcome(await login(realm, next))).toBe('reply')
      expect(await states(realm)).toEqual([`${next.kvno} current`])
    },
  )

  it.each([true, false])(
    'while a key is promoted, having written it: %s: the same login works later',
    async writes => {
      const { store, fail } = failing()
      const { realm, web, next } = await scene(store)
      fail(lost(), writes)
      expect(outcome(await login(realm, next))).toBe('06 unavailable')
      expect(await states(realm)).toEqual(writes ? ['2 current'] : ['2 next', '1 current'])
      expect(outcome(await login(realm, web))).toBe(writes ? '05 auth_failed' : 'reply')
      expect(outcome(await login(realm, next))).toBe('reply')
      expect(await states(realm)).toEqual(['2 current'])
      const uncertain = realm.logger.lines.filter(({ level }) => level === 'error')
      expect(uncertain[0]).toMatchObject({ fields: { method: 'promote', on: [web.principal] } })
    },
  )

  it('for another process was first: it looks again', async () => {
    const { store, fail } = failing()
    const { realm, next } = await scene(store)
    fail(new StoreConflict('principal', 'web', 1, 2), false)
    expect(outcome(await login(realm, next))).toBe('reply')
    expect(await states(realm)).toEqual(['2 current'])
  })
})

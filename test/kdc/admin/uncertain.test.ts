import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../../kdc/store/memory.js'
import { type Store, StoreConflict } from '../../../kdc/store/store.js'
import { failureOf } from '../../support/failure.js'
import { local, testRealm } from '../../support/realm.js'

/** A store that fails after it has written, or in place of it. */
function failing(): { store: Store; failWith(cause: Error, writes: boolean): void } {
  const store = createMemoryStore()
  let failure: { cause: Error; writes: boolean } | undefined
  return {
    store: {
      get: (...args) => store.get(...args),
      list: (...args) => store.list(...args),
      watch: listener => store.watch(listener),
      snapshot: () => store.snapshot(),
      compact: () => store.compact(),
      close: () => store.close(),
      commit: async changes => {
        if (failure === undefined || failure.writes) await store.commit(changes)
        if (failure !== undefined) throw failure.cause
      },
    },
    failWith: (cause, writes) => {
      failure = { cause, writes }
    },
  }
}

describe('a change that fails while it is stored', () => {
  it.each([true, false])('is in the log as one that may be there, also where it is: %s', async writes => {
    const { store, failWith } = failing()
    const realm = await testRealm({ store })
    await realm.add('web')
    failWith(new Error('EIO'), writes)
    await failureOf(realm.call('disable', [local('web')]))
    const told = realm.logger.lines.filter(({ level }) => level === 'error')
    expect(told).toMatchObject([
      {
        message: 'administration: a change failed, and may have been stored',
        fields: { by: 'the KDC itself', method: 'disable', on: [local('web')], failure: { message: 'EIO' } },
      },
    ])
  })

  it('is not, where the store wrote nothing or nothing was to be written', async () => {
    const { store, failWith } = failing()
    const realm = await testRealm({ store })
    await failureOf(realm.call('disable', [local('nobody')]))
    await realm.add('web')
    failWith(new StoreConflict('principal', 'web', 1, 2), false)
    await failureOf(realm.call('disable', [local('web')]))
    expect(realm.logger.lines.filter(({ level }) => level === 'error')).toEqual([])
  })
})

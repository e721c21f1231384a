import { expect, it } from 'vitest'
import type {
  RangeAnswer,
  RangeQuestion,
  Transaction,
  TransactionAnswer,
} from '../../../../kdc/store/etcd/etcd.js'
import { GatheredReads } from '../../../../kdc/store/etcd/gathered-reads.js'
import { OrthrusError } from '../../../../shared/errors.js'
import { failureOf } from '../../../support/failure.js'

/** An etcd in which each key whose name is even has a value, and that may be away. */
class CountedEtcd {
  /** How many keys each question asked for. */
  readonly questions: number[] = []
  isAway = false

  range = async ({ key }: RangeQuestion): Promise<RangeAnswer> => {
    this.questions.push(1)
    return this.#answer(key)
  }

  transact = async ({ operations }: Transaction): Promise<TransactionAnswer> => {
    this.questions.push(operations.length)
    return { revision: 1, succeeded: true, answers: operations.map(({ key }) => this.#answer(key)) }
  }

  #answer(key: string): RangeAnswer {
    if (this.isAway) throw new OrthrusError('unavailable', 'etcd does not answer')
    const found = Number(key) % 2 === 0 ? [{ key, value: new Uint8Array(), version: 1, modRevision: 1 }] : []
    return { revision: 1, found, more: false }
  }
}

const names = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i))

it('a thousand keys that are wanted in one turn are ten questions, and each is answered for itself', async () => {
  const etcd = new CountedEtcd()
  const reads = new GatheredReads(etcd)
  const found = await Promise.all(names(1_000).map(key => reads.read(key)))
  expect(etcd.questions).toEqual(Array(10).fill(100))
  expect(found.map(one => one?.key)).toEqual(names(1_000).map(key => (Number(key) % 2 ? undefined : key)))
})

it('keys that are wanted in turns of their own are questions of their own', async () => {
  const etcd = new CountedEtcd()
  const reads = new GatheredReads(etcd)
  for (const key of ['2', '3']) expect((await reads.read(key))?.key).toBe(key === '2' ? key : undefined)
  expect(etcd.questions).toEqual([1, 1])
})

it('a question that fails fails all that it was asked for, and no later one', async () => {
  const etcd = new CountedEtcd()
  const reads = new GatheredReads(etcd)
  etcd.isAway = true
  for (const keys of [['2'], names(150)]) {
    for (const failure of keys.map(key => failureOf(reads.read(key)))) {
      expect(await failure).toMatchObject({ code: 'unavailable' })
    }
  }
  etcd.isAway = false
  expect(await reads.read('2')).toMatchObject({ key: '2' })
})

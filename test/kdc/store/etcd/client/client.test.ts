import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Etcd, Operation, WatchEvent } from '../../../../../kdc/store/etcd/etcd.js'
import { EtcdHouse, hasEtcd } from '../../../../support/etcd.js'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const put = (key: string, value: string): Operation => ({ kind: 'put', key, value: bytes(value) })

/** What a watch heard. */
class Heard {
  readonly revisions: { revision: number; events: string[] }[] = []
  ended: Error | undefined

  readonly listener = {
    events: (revision: number, events: readonly WatchEvent[]) => {
      const told = events.map(({ kind, key, value, version }) => {
        return `${kind} ${key}@${version} ${Buffer.from(value).toString('latin1').slice(0, 20)}`
      })
      this.revisions.push({ revision, events: told })
    },
    ended: (cause: Error) => {
      this.ended = cause
    },
  }

  get events(): string[] {
    return this.revisions.flatMap(({ events }) => events)
  }
}

describe.runIf(hasEtcd)('the client of etcd', () => {
  let house: EtcdHouse
  let etcd: Etcd
  let prefix: string
  let round = 0
  beforeAll(async () => {
    house = await EtcdHouse.start()
    etcd = house.client()
  })
  afterAll(() => house?.end())
  const place = (): string => {
    prefix = `/t${++round}/`
    return prefix
  }

  it('reads a key, a range in its order, pages of it, its names alone, and what was at a revision', async () => {
    const at = place()
    const first = await etcd.transact({
      compares: [],
      operations: [put(`${at}b`, 'two'), put(`${at}a`, 'one')],
    })
    await etcd.transact({ compares: [], operations: [put(`${at}a`, 'more')] })
    const all = { key: at, end: `${at}~` }
    const shown = async (question: object) => {
      const { found, more } = await etcd.range({ ...all, ...question })
      return [
        found.map(({ key, value, version }) => `${key.slice(-1)}@${version} ${Buffer.from(value)}`),
        more,
      ]
    }
    expect(await shown({})).toEqual([['a@2 more', 'b@1 two'], false])
    expect(await shown({ limit: 1 })).toEqual([['a@2 more'], true])
    expect(await shown({ keysOnly: true })).toEqual([['a@2 ', 'b@1 '], false])
    expect(await shown({ revision: first.revision })).toEqual([['a@1 one', 'b@1 two'], false])
    const alone = await etcd.range({ key: `${at}a` })
    expect(alone.found).toMatchObject([{ version: 2, modRevision: first.revision + 1 }])
    expect(alone.revision).toBeGreaterThanOrEqual(first.revision + 1)
    expect((await etcd.range({ key: `${at}c` })).found).toEqual([])
  })

  it('makes a transaction if all it compares holds, and otherwise what it says for that', async () => {
    const key = `${place()}a`
    const create = {
      compares: [{ key, version: 0 }],
      operations: [put(key, 'x')],
      otherwise: [{ kind: 'range', key }],
    } as const
    const made = await etcd.transact(create)
    expect(made).toMatchObject({ succeeded: true, answers: [undefined] })
    const again = await etcd.transact(create)
    expect(again.succeeded).toBe(false)
    expect(again.answers).toMatchObject([{ found: [{ key, version: 1, modRevision: made.revision }] }])
    for (const [compare, holds] of [
      [{ key, version: 1 }, true],
      [{ key, version: 2 }, false],
      [{ key, modRevision: made.revision }, true],
      [{ key, modRevision: 0 }, false],
      [{ key: `${key}?`, modRevision: 0 }, true],
    ] as const) {
      expect((await etcd.transact({ compares: [compare], operations: [] })).succeeded).toBe(holds)
    }
    const gone = await etcd.transact({ compares: [], operations: [{ kind: 'delete', key }] })
    expect(gone).toMatchObject({ succeeded: true, answers: [undefined] })
    expect((await etcd.range({ key })).found).toEqual([])
  })

  it('makes thousands of operations one transaction, and reads all their answers in order', async () => {
    const at = place()
    const keys = Array.from({ length: 5_001 }, (_, i) => `${at}${String(i).padStart(5, '0')}`)
    const { revision } = await etcd.transact({
      compares: [],
      operations: keys.map(key => put(key, key.slice(-5))),
    })
    const read = await etcd.transact({ compares: [], operations: keys.map(key => ({ kind: 'range', key })) })
    expect(read.answers.map(answer => answer?.found[0]?.key)).toEqual(keys)
    const all = await etcd.range({ key: at, end: `${at}~` })
    expect(new Set(all.found.map(({ modRevision }) => modRevision))).toEqual(new Set([revision]))
  })

  it('carries values of a megabyte and of nothing, and bytes of every value', async () => {
    const at = place()
    const large = new Uint8Array(1_400_000).map((_, i) => i * 7)
    await etcd.transact({
      compares: [],
      operations: [
        { kind: 'put', key: `${at}l`, value: large },
        { kind: 'put', key: `${at}n`, value: new Uint8Array() },
      ],
    })
    const { found } = await etcd.range({ key: at, end: `${at}~` })
    expect(found.map(({ value }) => value.length)).toEqual([1_400_000, 0])
    expect(Buffer.from(large).equals(found[0]?.value ?? new Uint8Array())).toBe(true)
  })

  it('says what to do when a change is too large', async () => {
    const value = new Uint8Array(1_600_000)
    await expect(
      etcd.transact({ compares: [], operations: [{ kind: 'put', key: `${place()}a`, value }] }),
    ).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/too large.*in parts/),
    })
  })

  it('hears in a watch what others change from a revision on, each revision whole and once', async () => {
    const at = place()
    const other = house.client()
    const { revision } = await etcd.transact({
      compares: [],
      operations: [put(`${at}a`, '1'), put(`${at}b`, '1')],
    })
    const heard = new Heard()
    const watch = etcd.watch({ key: at, end: `${at}~`, revision }, heard.listener)
    await other.transact({ compares: [], operations: [put(`${at}a`, '2')] })
    await other.transact({
      compares: [],
      operations: [{ kind: 'delete', key: `${at}b` }, put('/elsewhere', 'x')],
    })
    await expect
      .poll(() => heard.revisions)
      .toEqual([
        { revision, events: [`put ${at}a@1 1`, `put ${at}b@1 1`] },
        { revision: revision + 1, events: [`put ${at}a@2 2`] },
        { revision: revision + 2, events: [`delete ${at}b@0 `] },
      ])
    watch.close()
    await other.transact({ compares: [], operations: [put(`${at}a`, '3')] })
    await etcd.range({ key: at })
    expect([heard.revisions.length, heard.ended]).toEqual([3, undefined])
  })

  it('puts together what etcd sends of one revision in parts', async () => {
    const at = place()
    const value = new Uint8Array(12_000).fill(120)
    const heard = new Heard()
    const { revision } = await etcd.range({ key: at })
    // Together above 1.5 MiB, where etcd begins to cut.
    for (let i = 0; i < 3; i++) {
      const operations = Array.from(
        { length: 100 },
        (_, n) => ({ kind: 'put', key: `${at}${n}`, value }) as const,
      )
      await etcd.transact({ compares: [], operations })
    }
    const watch = etcd.watch({ key: at, end: `${at}~`, revision: revision + 1 }, heard.listener)
    await expect.poll(() => heard.events.length).toBe(300)
    expect(heard.revisions.map(({ events }) => events.length)).toEqual([100, 100, 100])
    watch.close()
  })

  it('ends a watch from a revision that was compacted away, and goes on by itself never', async () => {
    const at = place()
    const { revision } = await etcd.transact({ compares: [], operations: [put(`${at}a`, '1')] })
    await etcd.transact({ compares: [], operations: [put(`${at}a`, '2')] })
    await etcd.compact(revision + 1)
    await etcd.compact(revision)
    const heard = new Heard()
    etcd.watch({ key: at, end: `${at}~`, revision }, heard.listener)
    await expect.poll(() => heard.ended?.message).toMatch(/compacted/)
    expect(heard.events).toEqual([])
    await expect(etcd.range({ key: at, revision })).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('holds a lease as long as it is kept, and no longer than until it is revoked', async () => {
    const key = `${place()}a`
    const lease = await etcd.grantLease(60)
    await etcd.transact({ compares: [], operations: [{ kind: 'put', key, value: bytes('x'), lease }] })
    expect(await etcd.keepLease(lease)).toBe(60)
    await etcd.revokeLease(lease)
    await etcd.revokeLease(lease)
    expect(await etcd.keepLease(lease)).toBe(0)
    expect((await etcd.range({ key })).found).toEqual([])
    await expect(
      etcd.transact({ compares: [], operations: [{ kind: 'put', key, value: bytes('x'), lease }] }),
    ).rejects.toMatchObject({ code: 'unavailable', message: expect.stringMatching(/lease not found/) })
  })

  it('does nothing any more once it was closed', async () => {
    const closed = house.client()
    const heard = new Heard()
    closed.watch({ key: 'a', end: 'b', revision: 0 }, heard.listener)
    await closed.range({ key: 'a' })
    await closed.close()
    await closed.close()
    await expect(closed.range({ key: 'a' })).rejects.toMatchObject({ code: 'unavailable' })
    expect(heard.ended).toBeUndefined()
  })
})

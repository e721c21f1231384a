import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  type Change,
  RECORD_KIND,
  type RecordKind,
  type Store,
  StoreConflict,
} from '../../../kdc/store/store.js'

const text = new TextEncoder()

/** A change from its parts; the value as text. */
export function put(name: string, expected: number, value: string, kind: RecordKind = 'principal'): Change {
  return { kind, name, expected, value: text.encode(value) }
}

export function remove(name: string, expected: number, kind: RecordKind = 'principal'): Change {
  return { kind, name, expected, value: undefined }
}

/** What the name holds, as text with its version. */
export async function show(store: Store, name: string, kind: RecordKind = 'principal') {
  const stored = await store.get(kind, name)
  return stored && `${new TextDecoder().decode(stored.value)}@${stored.version}`
}

const AWKWARD = [
  '__proto__',
  'constructor',
  'toString',
  'a b',
  '~',
  '\u0001',
  '\u007f',
  'a/b@c',
  '*',
  'tally',
]

export interface StoreTraits {
  /** Whether the versions of a name that is created again go on where they ended. */
  readonly goesOn?: boolean
}

/** What every store must do. */
export function describeStore(
  name: string,
  open: () => Promise<Store>,
  discard: () => Promise<void>,
  { goesOn = false }: StoreTraits = {},
): void {
  describe(name, () => {
    let store: Store
    beforeEach(async () => {
      store = await open()
    })
    afterEach(async () => {
      await store.close()
      await discard()
    })

    it('has nothing at first', async () => {
      for (const kind of Object.values(RECORD_KIND)) {
        for (const name of AWKWARD) expect(await store.get(kind, name)).toBeUndefined()
        expect(await store.list(kind, { limit: 10 })).toEqual([])
      }
    })

    it('counts versions from 1, and after a deletion as it says', async () => {
      await store.commit([put('web', 0, 'one')])
      expect(await show(store, 'web')).toBe('one@1')
      await store.commit([put('web', 1, 'two')])
      expect(await show(store, 'web')).toBe('two@2')
      await store.commit([remove('web', 2)])
      expect(await store.get('principal', 'web')).toBeUndefined()
      await store.commit([put('web', 0, 'three')])
      const version = goesOn ? 4 : 1
      expect(await show(store, 'web')).toBe(`three@${version}`)
      await expect(store.commit([put('web', 0, 'four')])).rejects.toThrow(StoreConflict)
      await store.commit([put('web', version, 'four')])
      expect(await show(store, 'web')).toBe(`four@${version + 1}`)
    })

    it('tells what is written of the version that it gets', async () => {
      const told: number[] = []
      const as = (name: string, expected: number): Change => ({
        kind: 'principal',
        name,
        expected,
        value: version => {
          told.push(version)
          return text.encode(`v${version}`)
        },
      })
      await store.commit([as('web', 0)])
      await store.commit([as('web', 1)])
      await store.commit([remove('web', 2)])
      await store.commit([as('web', 0)])
      const last = goesOn ? 4 : 1
      expect([await show(store, 'web'), told]).toEqual([`v${last}@${last}`, [1, 2, last]])
    })

    it('makes hundreds of changes or none of them', async () => {
      const names = Array.from({ length: 300 }, (_, i) => `n${i}`)
      await store.commit([put('n299', 0, 'first')])
      await expect(store.commit(names.map(name => put(name, 0, 'x')))).rejects.toThrow(StoreConflict)
      expect(await store.list('principal', { limit: 9 })).toHaveLength(1)
      await store.commit(names.map((name, i) => put(name, i === 299 ? 1 : 0, 'x')))
      expect(await store.list('principal', { limit: 9_999 })).toHaveLength(300)
      await store.commit(names.map((name, i) => remove(name, i === 299 ? 2 : 1)))
      expect(await store.list('principal', { limit: 1 })).toEqual([])
    })

    it('keeps empty and large values, and bytes of every value', async () => {
      const large = new Uint8Array(100_000).map((_, i) => i * 7)
      await store.commit([
        { kind: 'realm', name: 'empty', expected: 0, value: new Uint8Array() },
        { kind: 'realm', name: 'large', expected: 0, value: large },
      ])
      expect(await store.get('realm', 'empty')).toEqual({ version: 1, value: new Uint8Array() })
      // Not compared as lists of numbers, which takes long.
      expect(Buffer.from(large).equals((await store.get('realm', 'large'))?.value ?? large.subarray(1))).toBe(
        true,
      )
    })

    it('takes any name, one apart from the other and from the same of another kind', async () => {
      for (const kind of Object.values(RECORD_KIND)) {
        await store.commit(AWKWARD.map(name => put(name, 0, `${kind} ${name}`, kind)))
      }
      for (const kind of Object.values(RECORD_KIND)) {
        for (const name of AWKWARD) expect(await show(store, name, kind)).toBe(`${kind} ${name}@1`)
        const names = (await store.list(kind, { limit: 100 })).map(({ name }) => name)
        expect(names).toEqual([...AWKWARD].sort())
      }
    })

    it.each([
      ['one that exists', put('a', 0, 'x')],
      ['one that does not', put('new', 1, 'x')],
      ['an older version', put('a', 1, 'x')],
      ['a version to come', put('a', 3, 'x')],
      ['a deletion of an older version', remove('a', 1)],
      ['a deletion of one that does not exist', remove('new', 1)],
    ])('refuses %s with a conflict, and the whole commit with it', async (_, wrong) => {
      await store.commit([put('a', 0, 'first')])
      await store.commit([put('a', 1, 'second'), put('b', 0, 'b')])
      const listener = vi.fn()
      store.watch(listener)
      for (const changes of [[wrong], [put('b', 1, 'y'), wrong], [wrong, put('b', 1, 'y')]]) {
        await expect(store.commit(changes)).rejects.toThrow(StoreConflict)
      }
      expect(await show(store, 'a')).toBe('second@2')
      expect(await show(store, 'b')).toBe('b@1')
      expect(await store.get('principal', 'new')).toBeUndefined()
      expect(listener).not.toHaveBeenCalled()
    })

    it('says in the conflict which record it is and no contents', async () => {
      await store.commit([put('a', 0, 'secret')])
      const conflict = await store.commit([put('a', 7, 'hidden')]).catch(error => error)
      expect(conflict).toMatchObject({ name: 'StoreConflict', kind: 'principal', recordName: 'a' })
      expect(conflict.message).toBe('the principal record a is at version 1, not 7')
    })

    it('lets one of many at the same version win', async () => {
      await store.commit([put('a', 0, 'start')])
      const racers = Array.from({ length: 20 }, (_, i) => store.commit([put('a', 1, `racer ${i}`)]))
      const results = await Promise.allSettled(racers)
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      expect(await show(store, 'a')).toBe(`racer ${results.findIndex(r => r.status === 'fulfilled')}@2`)
    })

    it.each<[string, Change[]]>([
      ['an unknown kind', [put('a', 0, 'x', 'other' as RecordKind)]],
      ['a kind of the prototype', [put('a', 0, 'x', 'constructor' as RecordKind)]],
      ['an empty name', [put('', 0, 'x')]],
      ['NUL in a name', [put('a\0b', 0, 'x')]],
      ['a name beyond ASCII', [put('é', 0, 'x')]],
      ['a negative version', [put('a', -1, 'x')]],
      ['half a version', [put('a', 0.5, 'x')]],
      ['no version', [put('a', Number.NaN, 'x')]],
      ['a version too far', [put('a', 2 ** 48, 'x')]],
      ['a record twice', [put('a', 0, 'x'), put('a', 0, 'y')]],
      ['a deletion of what must not exist', [remove('a', 0)]],
    ])('rejects %s as a mistake', async (_, changes) => {
      await expect(store.commit([put('fine', 0, 'x'), ...changes])).rejects.toThrow(TypeError)
      expect(await store.get('principal', 'fine')).toBeUndefined()
    })

    it('rejects names and pages that cannot be meant', async () => {
      await expect(store.get('principal', 'a\0')).rejects.toThrow(TypeError)
      await expect(store.get('x' as RecordKind, 'a')).rejects.toThrow(TypeError)
      for (const limit of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
        await expect(store.list('principal', { limit })).rejects.toThrow(TypeError)
      }
      await expect(store.list('principal', { after: 'a\0', limit: 1 })).rejects.toThrow(TypeError)
    })

    it('takes a commit without changes', async () => {
      await store.commit([])
    })

    it('keeps its own bytes: neither those given nor those returned change what it holds', async () => {
      const value = text.encode('mine')
      const commit = store.commit([{ kind: 'policy', name: 'a', expected: 0, value }])
      value.fill(0)
      await commit
      for (const taken of [await store.get('policy', 'a'), ...(await store.list('policy', { limit: 1 }))]) {
        expect(new TextDecoder().decode(taken?.value)).toBe('mine')
        taken?.value.fill(0)
      }
      expect(await show(store, 'a', 'policy')).toBe('mine@1')
    })

    it('lists in pages, in the order of the bytes', async () => {
      const names = Array.from({ length: 25 }, (_, i) => `n${i}`)
      await store.commit([...names.map(name => put(name, 0, name)), put('other', 0, 'x', 'policy')])
      const listed: string[] = []
      for (;;) {
        const after = listed.at(-1)
        const page = await store.list('principal', { limit: 4, ...(after !== undefined && { after }) })
        for (const { name, version, value } of page) {
          expect([version, new TextDecoder().decode(value)]).toEqual([1, name])
        }
        listed.push(...page.map(({ name }) => name))
        if (page.length < 4) break
      }
      expect(listed).toEqual([...names].sort())
      const behind = await store.list('principal', { after: 'n1~', limit: 2 })
      expect(behind.map(({ name }) => name)).toEqual(['n2', 'n20'])
      expect(await store.list('principal', { after: 'n9', limit: 2 })).toEqual([])
    })

    it('lists what is left of changes and removals, the last one and the first one included', async () => {
      await store.commit(['b', 'a', 'd', 'c', 'e'].map(name => put(name, 0, name)))
      await store.commit([remove('b', 1), remove('e', 1), put('d', 1, 'new')])
      const names = async () => (await store.list('principal', { limit: 9 })).map(({ name }) => name)
      expect(await names()).toEqual(['a', 'c', 'd'])
      await store.commit([remove('a', 1), put('b', 0, 'again')])
      expect(await names()).toEqual(['b', 'c', 'd'])
    })

    it('shows one moment in a snapshot, page by page, whatever is committed meanwhile', async () => {
      const names = Array.from({ length: 9 }, (_, i) => `n${i}`)
      await store.commit(names.map(name => put(name, 0, 'before')))
      const snapshot = await store.snapshot()
      await store.commit([
        put('n0', 1, 'after'),
        remove('n5', 1),
        put('n9', 0, 'new'),
        put('x', 0, 'x', 'policy'),
      ])
      const first = await snapshot.list('principal', { limit: 4 })
      await store.commit([remove('n8', 1)])
      const rest = await snapshot.list('principal', { after: 'n3', limit: 9 })
      const shown = [...first, ...rest].map(({ name, version, value }) => {
        return `${name} ${new TextDecoder().decode(value)}@${version}`
      })
      expect(shown).toEqual(names.map(name => `${name} before@1`))
      expect(await snapshot.list('policy', { limit: 1 })).toEqual([])
      await expect(snapshot.list('principal', { limit: 0 })).rejects.toThrow(TypeError)
      first[0]?.value.fill(0)
      expect(await show(store, 'n0')).toBe('after@2')
      await snapshot.close()
      await snapshot.close()
      await expect(snapshot.list('principal', { limit: 1 })).rejects.toMatchObject({ code: 'unavailable' })
    })

    it('keeps what it has when it is compacted, and closes every snapshot', async () => {
      await store.commit([put('a', 0, 'first'), put('b', 0, 'b')])
      const snapshot = await store.snapshot()
      await store.commit([put('a', 1, 'second'), remove('b', 1)])
      await store.compact()
      expect([await show(store, 'a'), await show(store, 'b')]).toEqual(['second@2', undefined])
      await expect(snapshot.list('principal', { limit: 1 })).rejects.toMatchObject({ code: 'unavailable' })
      const later = await store.snapshot()
      expect(await later.list('principal', { limit: 9 })).toHaveLength(1)
      await store.close()
      await expect(later.list('principal', { limit: 1 })).rejects.toMatchObject({ code: 'unavailable' })
      for (const ask of [() => store.snapshot(), () => store.compact()]) {
        await expect(ask()).rejects.toMatchObject({ code: 'unavailable' })
      }
    })

    it('tells each watcher of each change, once the commit is done and until it stops', async () => {
      const seen: string[] = []
      const stop = store.watch((kind, name) => void seen.push(`${kind} ${name}`))
      const other = vi.fn()
      store.watch(other)
      await store.commit([put('a', 0, 'x'), put('b', 0, 'x', 'policy')])
      await store.commit([remove('a', 1)])
      expect(seen).toEqual(['principal a', 'policy b', 'principal a'])
      stop()
      stop()
      await store.commit([put('c', 0, 'x')])
      expect(seen).toHaveLength(3)
      expect(other).toHaveBeenCalledTimes(4)
    })

    it('shows a watcher the new value', async () => {
      let read: Promise<string | undefined> | undefined
      store.watch((kind, name) => {
        read = show(store, name ?? '', kind)
      })
      await store.commit([put('a', 0, 'new')])
      expect(await read).toBe('new@1')
    })

    it('says whether it can be written, behind what was begun before, and changes nothing for it', async () => {
      const listener = vi.fn()
      await store.commit([put('a', 0, 'one')])
      store.watch(listener)
      const committing = store.commit([put('a', 1, 'two')])
      await Promise.all([committing, store.requireWritable?.(), store.requireWritable?.()])
      expect(listener).toHaveBeenCalledTimes(1)
      expect(await show(store, 'a')).toBe('two@2')
      await store.commit([put('a', 2, 'three')])
      for (const kind of Object.values(RECORD_KIND)) {
        expect((await store.list(kind, { limit: 9 })).length).toBe(kind === 'principal' ? 1 : 0)
      }
      await store.close()
      await expect(store.requireWritable?.()).rejects.toMatchObject({ code: 'unavailable' })
    })

    it('finishes what was begun before close, then says that it is closed', async () => {
      const commit = store.commit([put('a', 0, 'x')])
      const closing = store.close()
      await commit
      await closing
      await store.close()
      for (const call of [store.get('realm', 'a'), store.list('realm', { limit: 1 }), store.commit([])]) {
        await expect(call).rejects.toMatchObject({
          code: 'unavailable',
          message: expect.stringMatching(/closed/),
        })
      }
    })

    it('agrees with a map over any commits', async () => {
      const step = fc.record({
        name: fc.constantFrom('a', 'b', '__proto__'),
        expected: fc.nat(3),
        value: fc.option(fc.string({ maxLength: 3 }), { nil: undefined }),
      })
      const commits = fc.uniqueArray(step, { selector: ({ name }) => name, minLength: 1 })
      let round = 0
      await fc.assert(
        fc.asyncProperty(fc.array(commits, { maxLength: 12 }), async rounds => {
          const prefix = `${round++} `
          const model = new Map<string, { version: number; value: string }>()
          const written = new Map<string, number>()
          for (const changes of rounds) {
            const meant = changes.filter(({ expected, value }) => value !== undefined || expected > 0)
            const holds = meant.every(({ name, expected }) => (model.get(name)?.version ?? 0) === expected)
            const commit = store.commit(
              meant.map(({ name, expected, value }) =>
                value === undefined ? remove(prefix + name, expected) : put(prefix + name, expected, value),
              ),
            )
            if (!holds) {
              await expect(commit).rejects.toThrow(StoreConflict)
              continue
            }
            await commit
            for (const { name, expected, value } of meant) {
              const writings = (written.get(name) ?? 0) + 1
              written.set(name, writings)
              if (value === undefined) model.delete(name)
              else model.set(name, { version: goesOn ? writings : expected + 1, value })
            }
          }
          for (const name of ['a', 'b', '__proto__']) {
            const held = model.get(name)
            expect(await show(store, prefix + name)).toBe(held && `${held.value}@${held.version}`)
          }
        }),
        { numRuns: 25 },
      )
    })
  })
}

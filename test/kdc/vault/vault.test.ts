import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { openLevelStore } from '../../../kdc/store/level/store.js'
import { createMemoryStore } from '../../../kdc/store/memory.js'
import type { RecordKind, Store } from '../../../kdc/store/store.js'
import { MasterKey } from '../../../kdc/vault/master-key.js'
import { Vault } from '../../../kdc/vault/vault.js'
import { toBase64url, toHex } from '../../../shared/bytes.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import type { Value } from '../../../shared/encoding/encoding.js'

const FIELDS: Value[] = [1, 'web@demo.example', new Uint8Array(32).fill(7), null, [true, 2 ** 40]]

let store: Store
let vault: Vault

function masterKey(fill: number): MasterKey {
  return new MasterKey(new Uint8Array(32).fill(fill))
}

beforeEach(() => {
  store = createMemoryStore()
  vault = new Vault(store, masterKey(1), systemRandom)
})

function put(name: string, expected: number, fields: Value[] | undefined, kind: RecordKind = 'principal') {
  return { kind, name, expected, fields }
}

/** Writes past the vault, whatever version that takes. */
async function forge(name: string, version: number, value: Uint8Array, kind: RecordKind = 'principal') {
  const current = await store.get(kind, name)
  if (current !== undefined) await store.commit([{ kind, name, expected: current.version, value: undefined }])
  for (let expected = 0; expected < version; expected++) {
    await store.commit([{ kind, name, expected, value }])
  }
}

async function sealed(name: string, kind: RecordKind = 'principal'): Promise<Uint8Array> {
  const stored = await store.get(kind, name)
  if (stored === undefined) throw new Error(`${name} is missing`)
  return stored.value
}

const REFUSED = {
  name: 'OrthrusError',
  code: 'unavailable',
  facts: { hint: expect.stringMatching(/master\.key/) },
}

describe('a vault', () => {
  it('returns what was put in', async () => {
    expect(await vault.read('principal', 'a')).toBeUndefined()
    await vault.commit([put('a', 0, FIELDS), put('b', 0, [])])
    expect(await vault.read('principal', 'a')).toEqual({ version: 1, fields: FIELDS })
    await vault.commit([put('a', 1, ['two']), put('b', 1, undefined)])
    expect(await vault.read('principal', 'a')).toEqual({ version: 2, fields: ['two'] })
    expect(await vault.read('principal', 'b')).toBeUndefined()
  })

  it('lists in pages', async () => {
    await vault.commit(['a', 'b', 'c'].map(name => put(name, 0, [name])))
    expect(await vault.list('principal', { after: 'a', limit: 1 })).toEqual([
      { name: 'b', version: 1, fields: ['b'] },
    ])
    await forge('b', 1, await sealed('a'))
    await expect(vault.list('principal', { limit: 9 })).rejects.toMatchObject(REFUSED)
  })

  it('seals the same fields differently each time', async () => {
    await vault.commit([put('a', 0, FIELDS)])
    const first = await sealed('a')
    await vault.commit([put('a', 1, undefined)])
    await vault.commit([put('a', 0, FIELDS)])
    expect(await sealed('a')).not.toEqual(first)
  })

  it('passes on conflicts, changes to watch and the end', async () => {
    const listener = vi.fn()
    const stop = vault.watch(listener)
    await vault.commit([put('a', 0, FIELDS)])
    expect(listener.mock.calls).toEqual([['principal', 'a']])
    stop()
    await expect(vault.commit([put('a', 0, FIELDS)])).rejects.toMatchObject({ name: 'StoreConflict' })
    await vault.close()
    await expect(vault.read('principal', 'a')).rejects.toMatchObject({
      message: expect.stringMatching(/closed/),
    })
  })

  it('refuses fields that could not be read again', async () => {
    const long = [new Uint8Array(70_000)]
    await expect(vault.commit([put('a', 0, long)])).rejects.toThrow(TypeError)
    await expect(vault.commit([put('a', 0, [-1])])).rejects.toThrow(TypeError)
    expect(await vault.read('principal', 'a')).toBeUndefined()
  })
})

describe('a record in a vault does not open', () => {
  beforeEach(() => vault.commit([put('a', 0, FIELDS), put('b', 0, FIELDS), put('a', 0, FIELDS, 'policy')]))

  it('under another name or kind', async () => {
    const [a, b] = [await sealed('a'), await sealed('b')]
    await forge('a', 1, b)
    await forge('b', 1, a)
    await forge('a', 1, a, 'policy')
    await expect(vault.read('principal', 'a')).rejects.toMatchObject(REFUSED)
    await expect(vault.read('principal', 'b')).rejects.toMatchObject(REFUSED)
    await expect(vault.read('policy', 'a')).rejects.toMatchObject(REFUSED)
    await forge('a', 1, a)
    expect(await vault.read('principal', 'a')).toEqual({ version: 1, fields: FIELDS })
  })

  it('under another version, whether forward or back', async () => {
    const first = await sealed('a')
    await vault.commit([put('a', 1, ['two'])])
    const second = await sealed('a')
    await vault.commit([put('a', 2, ['three'])])
    for (const [value, version] of [
      [first, 2],
      [first, 3],
      [second, 1],
      [second, 3],
    ] as const) {
      await forge('a', version, value)
      await expect(vault.read('principal', 'a')).rejects.toMatchObject(REFUSED)
    }
    await forge('a', 2, second)
    expect(await vault.read('principal', 'a')).toEqual({ version: 2, fields: ['two'] })
  })

  it('under another master key', async () => {
    const other = new Vault(store, masterKey(2), systemRandom)
    await expect(other.read('principal', 'a')).rejects.toMatchObject(REFUSED)
    expect(await new Vault(store, masterKey(1), systemRandom).read('principal', 'a')).toBeDefined()
  })

  it('with any byte changed, missing or added', async () => {
    const value = await sealed('a')
    const forged = [new Uint8Array(), Uint8Array.from([...value, 0]), Uint8Array.from([0, ...value])]
    for (let i = 0; i < value.length; i++) {
      const changed = value.slice()
      changed[i] = (changed[i] ?? 0) ^ (1 << (i % 8))
      forged.push(changed, value.slice(0, i))
    }
    for (const bytes of forged) {
      await forge('a', 1, bytes)
      await expect(vault.read('principal', 'a')).rejects.toMatchObject(REFUSED)
    }
  })

  it('and the error shows only the name of the record', async () => {
    const [a, b] = [await sealed('a'), await sealed('b')]
    await forge('a', 1, b)
    const error = await vault.read('principal', 'a').catch(error => error)
    expect(error.message).toContain('the principal record a does not open')
    const shown = inspect(error, { depth: 9 }) + JSON.stringify(error)
    for (const bytes of [a, b]) expect(shown).not.toContain(toHex(bytes).slice(0, 16))
  })
})

/** The ways in which bytes are written as text, and the bytes themselves. */
function spellings(bytes: Uint8Array): Buffer[] {
  const buffer = Buffer.from(bytes)
  const texts = [toHex(bytes), toHex(bytes).toUpperCase(), buffer.toString('base64'), toBase64url(bytes)]
  // Without the last letters, which depend on what follows in the same text.
  return [buffer, ...texts.map(text => Buffer.from(text.replace(/=+$/, '').slice(0, -2)))]
}

describe('a database on disk', () => {
  it('has no byte of a key in any of its files', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'orthrus-vault-'))
    try {
      const [secret, master] = [systemRandom(32), systemRandom(32)]
      for (const create of [true, false, false]) {
        const level = await openLevelStore(join(folder, 'db'), { create })
        const vault = new Vault(level, new MasterKey(master.slice()), systemRandom)
        const version = (await vault.read('principal', 'canary'))?.version ?? 0
        const text = Buffer.from(secret).toString('base64')
        await vault.commit([put('canary', version, [secret, toHex(secret), text, toBase64url(secret)])])
        await vault.close()
      }
      const files = await readdir(join(folder, 'db'))
      const all = Buffer.concat(await Promise.all(files.map(name => readFile(join(folder, 'db', name)))))
      expect(all.includes('canary')).toBe(true)
      for (const spelling of [...spellings(secret), ...spellings(master)]) {
        expect(all.includes(spelling)).toBe(false)
        expect(all.includes(spelling.subarray(0, 8))).toBe(false)
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})

import { describe, expect, it } from 'vitest'
import { KeyTaken } from '../../../service/lock/key-lock.js'
import { lockFile, type systemFiles } from '../../../service/lock/locked-file.js'

/** A system that locks files as they are opened, as macOS does. */
class LockingSystem {
  readonly #open = new Map<number, { readonly path: string; readonly isAlone: boolean }>()
  readonly #texts = new Map<string, string>()
  #next = 3

  readonly files: typeof systemFiles = {
    folder: async () => '/tmp/orthrus-501',
    open: ((path: string, flags: number) => {
      const isAlone = (flags & 0x20) !== 0
      if (isAlone === ((flags & 0x10) !== 0)) throw new Error('one kind of lock, and only one')
      const others = [...this.#open.values()].filter(other => other.path === path)
      if (others.some(other => other.isAlone || isAlone)) throw Object.assign(new Error(), { code: 'EAGAIN' })
      this.#open.set(++this.#next, { path, isAlone })
      return this.#next
    }) as (typeof systemFiles)['open'],
    close: file => void this.#open.delete(file),
    read: path => this.#texts.get(path) ?? '',
    write: (file, text) => void this.#texts.set(this.#open.get(file)?.path ?? '', text),
  }
}

describe('the locked file of a key', () => {
  it('is had by one alone, whose name it tells, until that one gives it up', async () => {
    const { files } = new LockingSystem()
    const first = await lockFile('a', 'alone', files)
    const second = await lockFile('a', 'alone', files)
    expect(second).toBeInstanceOf(KeyTaken)
    expect(second).toMatchObject({
      holding: 'alone',
      holder: expect.stringContaining(`process ${process.pid}`),
    })
    expect(await lockFile('a', 'shared', files)).toMatchObject({ holding: 'alone' })
    expect(await lockFile('b', 'alone', files)).not.toBeInstanceOf(KeyTaken)
    if (!(first instanceof KeyTaken)) first.release()
    expect(await lockFile('a', 'alone', files)).not.toBeInstanceOf(KeyTaken)
  })

  it('is had by many who share it', async () => {
    const { files } = new LockingSystem()
    const locks = [await lockFile('a', 'shared', files), await lockFile('a', 'shared', files)]
    expect(await lockFile('a', 'alone', files)).toMatchObject({ holding: 'shared' })
    for (const lock of locks) if (!(lock instanceof KeyTaken)) lock.release()
    expect(await lockFile('a', 'alone', files)).not.toBeInstanceOf(KeyTaken)
  })

  it('that cannot be had for another reason is an error', async () => {
    const { files } = new LockingSystem()
    const open = (() => {
      throw Object.assign(new Error('read-only'), { code: 'EROFS' })
    }) as (typeof systemFiles)['open']
    await expect(lockFile('a', 'alone', { ...files, open })).rejects.toThrow('read-only')
  })
})

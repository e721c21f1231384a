import type { FileHandle } from 'node:fs/promises'
import { type KeytabDisk, systemDisk } from '../../shared/keytab/keytab-disk.node.js'
import { turns } from './turns.js'

/** The calls to the disk of one process. */
export type DiskCall = keyof KeytabDisk | `file.${string}`

let running = 0

/** Waits until the disk has nothing to do, and whoever waited for it has had a turn. */
export async function quietDisk(): Promise<void> {
  do await turns(2)
  while (running > 0)
}

async function counted<T>(run: () => Promise<T>): Promise<T> {
  running++
  try {
    return await run()
  } finally {
    running--
  }
}

/**
 * The system's disk, where each call of a process waits for, and may be refused by, a test.
 * @param before called before each call is made
 */
export function watchedDisk(before: (call: DiskCall) => void | Promise<void>): KeytabDisk {
  const watched = <A extends unknown[], T>(call: DiskCall, run: (...args: A) => Promise<T>) => {
    return async (...args: A): Promise<T> => {
      await before(call)
      return counted(() => run(...args))
    }
  }
  const disk = Object.fromEntries(
    Object.entries(systemDisk).map(([name, run]) => [
      name,
      watched(name as keyof KeytabDisk, run as (...args: unknown[]) => Promise<unknown>),
    ]),
  ) as unknown as KeytabDisk
  const open = disk.open
  return {
    ...disk,
    open: async (...args) => {
      const handle = await open(...args)
      return new Proxy(handle, {
        get: (file, name) => {
          const method = Reflect.get(file, name) as unknown
          if (typeof method !== 'function') return method
          // The system closes the files of whoever is dead.
          if (name === 'close') return () => counted(() => file.close())
          const call = method.bind(file) as (...args: unknown[]) => Promise<unknown>
          return watched(`file.${String(name)}`, call)
        },
      }) as FileHandle
    },
  }
}

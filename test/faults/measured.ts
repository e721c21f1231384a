import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { pathToFileURL } from 'node:url'
import { root } from '../end-to-end/processes.js'

/** What a process holds after its garbage is collected; bytes. */
export interface Measured {
  readonly rss: number
  readonly heapUsed: number
  readonly external: number
  readonly descriptors: number
}

/** Arguments for `node` that let the process be measured. */
export const MEASURED_FLAG = `--import=${pathToFileURL(join(root, 'test/faults/measured.mjs'))}`

/** Measures the process whenever it is called. */
export function meter(child: ChildProcess): () => Promise<Measured> {
  const waiting: ((measured: Measured) => void)[] = []
  createInterface({ input: child.stderr as Readable }).on('line', line => {
    if (!line.startsWith('{"measured"')) return
    waiting.shift()?.((JSON.parse(line) as { measured: Measured }).measured)
  })
  return () =>
    new Promise(resolve => {
      waiting.push(resolve)
      child.kill('SIGUSR2')
    })
}

const MIB = 2 ** 20

export function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`
}

/** The median: a single outlier is not growth. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] as number
}

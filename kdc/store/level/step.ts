import { bytesOf } from '../changes.js'
import type { Change, RecordKind, Stored } from '../store.js'
import { type Tally, toggleRecord } from './tally.js'

/**
 * How records are stored in LevelDB: under `kind NUL name`, with the version as 6 bytes, big-endian, before the value.
 */

const VERSION_BYTES = 6

export interface Step extends Change {
  readonly key: string
  /** What is written: the version as 6 bytes, big-endian, then the value. */
  readonly stored: Uint8Array | undefined
}

export function keyOf(kind: RecordKind, name: string): string {
  return `${kind}\0${name}`
}

export function encodeStep(change: Change): Step {
  const { kind, name, expected } = change
  const value = bytesOf(change.value, expected + 1)
  const key = keyOf(kind, name)
  if (value === undefined) return { ...change, key, stored: undefined }
  const stored = Buffer.alloc(VERSION_BYTES + value.length)
  stored.writeUIntBE(expected + 1, 0, VERSION_BYTES)
  stored.set(value, VERSION_BYTES)
  return { ...change, key, stored }
}

export function decodeStored(stored: Uint8Array): Stored {
  const { buffer, byteOffset, length } = stored
  const version = Buffer.from(buffer, byteOffset, length).readUIntBE(0, VERSION_BYTES)
  return { version, value: new Uint8Array(stored.subarray(VERSION_BYTES)) }
}

export function nextTally(
  tally: Tally,
  steps: readonly Step[],
  current: readonly (Uint8Array | undefined)[],
): Tally {
  const sum = tally.sum.slice()
  for (const [i, { key, stored }] of steps.entries()) {
    const previous = current[i]
    if (previous !== undefined) toggleRecord(sum, key, previous)
    if (stored !== undefined) toggleRecord(sum, key, stored)
  }
  return { commits: tally.commits + 1, sum }
}

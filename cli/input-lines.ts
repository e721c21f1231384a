import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

/** Bytes. Nobody types a longer line; a device, or a file that was not meant, has no end. */
const LINE_MAX = 4096

/** What stands where bytes were no UTF-8. */
const UNREADABLE = '\u{fffd}'

/**
 * The first lines of what is no terminal, such as passwords; it may have fewer.
 * @throws TypeError, which quotes nothing of it, for lines that are too long, and for what is not UTF-8: different passwords
 * would become the same key
 */
export async function firstLines(source: Readable, count: number): Promise<string[]> {
  const lines = createInterface({ input: source })
  const found: string[] = []
  let left = LINE_MAX * count
  const limit = (chunk: Buffer): void => {
    left -= chunk.length
    if (left < 0) lines.close()
  }
  source.on('data', limit)
  try {
    for await (const line of lines) if (found.push(line) === count) break
  } finally {
    source.off('data', limit)
    lines.close()
  }
  if (found.length < count && left < 0)
    throw new TypeError(`a line of the input has more than ${LINE_MAX} bytes`)
  if (found.some(line => line.includes(UNREADABLE)))
    throw new TypeError('the input is not UTF-8: send it in that encoding, as iconv -t UTF-8 makes it')
  return found
}

import { readFile } from 'node:fs/promises'
import { standardInput } from './terminal.js'

/** The options that say what a request sends. */
export interface BodyOptions {
  readonly data?: string
  readonly dataRaw?: string
}

/**
 * Text is sent as text, with the content type that `fetch` gives it. A file is sent byte by byte, with the content type
 * that `--header` gives it.
 * @throws TypeError if both options are given or the file cannot be read
 */
export async function bodyFrom({
  data,
  dataRaw,
}: BodyOptions): Promise<string | Uint8Array<ArrayBuffer> | undefined> {
  if (data !== undefined && dataRaw !== undefined)
    throw new TypeError('--data and --data-raw are one body: give one of them')
  if (data === '-' || data === '@-') return standardInput()
  return data?.startsWith('@') === true ? readBody(data.slice(1)) : (data ?? dataRaw)
}

async function readBody(path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await readFile(path))
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown reason'
    const reason = code === 'ENOENT' ? 'there is no such file' : `it cannot be read: ${code}`
    throw new TypeError(`-d @${path}: ${reason}; to send this text itself: --data-raw '@${path}'`, { cause })
  }
}

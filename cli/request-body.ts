import { codeOf } from '../shared/folder.node.js'
import { type Bound, readBounded, standardInput } from './bounded-input.js'

/** The request covers its body, so the whole of it is in memory before anything is sent. */
const BODY: Bound = {
  max: 256 * 1024 * 1024,
  because: 'a body is held in memory, as the request proves the whole of it; send it in parts',
}

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
  if (data === '-' || data === '@-') return standardInput(BODY)
  return data?.startsWith('@') === true ? readBody(data.slice(1)) : (data ?? dataRaw)
}

async function readBody(path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await readBounded(path, BODY)
  } catch (cause) {
    const code = codeOf(cause)
    if (code === 'unknown reason') throw cause
    const reason = code === 'ENOENT' ? 'there is no such file' : `it cannot be read: ${code}`
    throw new TypeError(`-d @${path}: ${reason}; to send this text itself: --data-raw '@${path}'`, { cause })
  }
}

import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { HeaderPair } from './header-rules.js'

/**
 * Gives an answer to a program, as fast as the program takes it.
 * @throws what reading it throws: then it lacks its end, and is to be cut off
 */
export async function passBack(
  { status, body }: Response,
  headers: readonly HeaderPair[],
  res: ServerResponse,
): Promise<void> {
  res.writeHead(status, headers.flat())
  if (body === null) {
    res.end()
    return
  }
  const reader = body.getReader()
  // What comes later, as events do, is waited for with the head shown.
  const early = setImmediate(() => res.flushHeaders())
  try {
    for (;;) {
      const { done, value } = await reader.read()
      clearImmediate(early)
      if (res.destroyed) break
      if (done) {
        res.end()
        return
      }
      if (!res.write(value)) await drained(res)
    }
  } finally {
    clearImmediate(early)
    await reader.cancel().catch(() => {})
  }
}

async function drained(res: ServerResponse): Promise<void> {
  const gone = new AbortController()
  const onClose = (): void => gone.abort()
  res.once('close', onClose)
  await once(res, 'drain', { signal: gone.signal }).catch(() => {})
  res.off('close', onClose)
}

import { isOffline, OFFLINE, ONCE_ONLINE } from '../kdc-link/offline.js'
import type { SentRequest } from './sent-request.js'

/** What is different with the `fetch` of a browser. `platform-fetch.node.ts` says the same of Node's. */

/** A browser's cache would add conditional headers that are not bound, or answer the request by itself. */
export const CACHE_MODE: RequestCache = 'no-store'

/** A sealed body as `fetch` takes it. Over HTTP/1.1 a browser sends no stream, so one is sent only for what is one. */
export async function sealedInit(
  sealed: ReadableStream<Uint8Array>,
  isStreamed: boolean,
): Promise<RequestInit & { duplex?: 'half' }> {
  if (isStreamed) return { body: sealed, duplex: 'half' }
  return { body: await new Response(sealed).blob() }
}

/** What to do about a failed `fetch`. A browser never says why it failed, but whether it has a network. */
export function hintOfPlatform(_cause: unknown, _request: SentRequest): string | undefined {
  return isOffline() ? `the request may have been handled; ${OFFLINE}: ${ONCE_ONLINE}` : undefined
}

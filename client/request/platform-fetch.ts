import type { SentRequest } from './sent-request.js'

/** What is different with the `fetch` of a browser. `platform-fetch.node.ts` says the same of Node's. */

/** A browser's cache would add conditional headers that are not bound, or answer the request by itself. */
export const CACHE_MODE: RequestCache = 'no-store'

/** What to do about a failed `fetch`, if the platform says why it failed: a browser never does. */
export function hintOfPlatform(_cause: unknown, _request: SentRequest): string | undefined {
  return undefined
}

/**
 * Node's `fetch` has no cache, so nothing is read from one. This is the only mode in which `fetch` does not add
 * `cache-control: no-cache` to a request, a header that makes services answer 200 where they would answer 304.
 */
export const CACHE_MODE: RequestCache = 'force-cache'

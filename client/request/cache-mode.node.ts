/**
 * Node has no cache for `fetch` to ask, so this reads from none; and it is the one mode in which `fetch` puts no
 * `cache-control: no-cache` into a request, which has services answer 200 to what they would answer 304.
 */
export const CACHE_MODE: RequestCache = 'force-cache'

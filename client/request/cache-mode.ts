/** A browser's cache would add conditional headers that are not bound, or answer the request by itself. */
export const CACHE_MODE: RequestCache = 'no-store'

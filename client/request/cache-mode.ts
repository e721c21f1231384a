/** A browser's cache would put conditions of its own into a request, which are not bound, and answer in its stead. */
export const CACHE_MODE: RequestCache = 'no-store'

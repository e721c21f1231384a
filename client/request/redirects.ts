/** With a `location`, whatever else made the request may follow these too: a library, the platform's own `fetch`. */
export const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

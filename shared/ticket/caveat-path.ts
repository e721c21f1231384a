/** Paths as the `paths` caveat reads them (docs/protocol.md section 5): what could mean two things means nothing. */

/** Segments of RFC 3986's pchar, each after one `/`. */
const SEGMENTS = /^(?:\/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*)+$/
/** NUL, `%`, `.`, `/` and `\`, which others decode again, resolve or split at. */
const ENCODED = /%(?:00|25|2e|2f|5c)/i
/** `.` or `..` as a segment, also before a `;`. */
const DOTS = /\/\.\.?(?:[;/]|$)/

export function isPlainPath(path: string): boolean {
  return SEGMENTS.test(path) && !path.includes('//') && !ENCODED.test(path) && !DOTS.test(path)
}

/** Why a path is none that a caveat takes, for a person; `undefined` where it is one. */
export function pathFault(path: string): string | undefined {
  if (isPlainPath(path)) return undefined
  if (!path.startsWith('/')) return 'it does not begin with /'
  if (path.includes('//')) return 'it has //'
  const [encoded] = ENCODED.exec(path) ?? []
  if (encoded !== undefined) return `it has ${encoded}, which others decode`
  if (DOTS.test(path)) return 'it has . or .. for a segment'
  const [odd = '%'] = /[^A-Za-z0-9\-._~!$&'()*+,;=:@/%]/u.exec(path) ?? []
  return odd === '%'
    ? 'it has a % without two hex digits'
    : `it has ${JSON.stringify(odd)}, which is to be encoded`
}

/** The target up to its `?`. */
export function pathOf(target: string | undefined): string | undefined {
  return target?.split('?', 1)[0]
}

/** Whether the path is one of the prefixes or continues one at a `/`; a prefix's final `/` does not count. */
export function isInside(path: string | undefined, prefixes: readonly string[]): boolean {
  if (path === undefined || !isPlainPath(path)) return false
  return prefixes.some(prefix => {
    const bare = prefix.endsWith('/') ? prefix.slice(0, -1) : prefix
    return path === bare || path.startsWith(`${bare}/`)
  })
}

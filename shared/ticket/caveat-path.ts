/** Paths as the `paths` caveat reads them (docs/protocol.md section 5). An ambiguous path is inside no prefix. */

/** Segments made of RFC 3986's pchar, each after one `/`. */
const SEGMENTS = /^(?:\/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*)+$/
/** Encoded NUL, `%`, `.`, `/` and `\`, which other programs may decode twice, resolve or split at. */
const ENCODED = /%(?:00|25|2e|2f|5c)/i
/** A segment `.` or `..`, also one followed by a `;`. */
const DOTS = /\/\.\.?(?:[;/]|$)/

export function isPlainPath(path: string): boolean {
  return SEGMENTS.test(path) && !path.includes('//') && !ENCODED.test(path) && !DOTS.test(path)
}

/** Why a caveat does not accept the path, in words for a person; `undefined` if it does. */
export function pathFault(path: string): string | undefined {
  if (isPlainPath(path)) return undefined
  if (!path.startsWith('/')) return 'it does not begin with /'
  if (path.includes('//')) return 'it has //'
  const [encoded] = ENCODED.exec(path) ?? []
  if (encoded !== undefined) return `it has ${encoded}, which other programs may decode again`
  if (DOTS.test(path)) return 'it has the segment . or ..'
  const [odd = '%'] = /[^A-Za-z0-9\-._~!$&'()*+,;=:@/%]/u.exec(path) ?? []
  return odd === '%'
    ? 'it has a % without two hex digits'
    : `it has ${JSON.stringify(odd)}, which must be percent-encoded`
}

/** The part of the target before the first `?`. */
export function pathOf(target: string | undefined): string | undefined {
  return target?.split('?', 1)[0]
}

/** Whether the path equals a prefix or continues one at a `/`. A final `/` of a prefix does not count. */
export function isInside(path: string | undefined, prefixes: readonly string[]): boolean {
  if (path === undefined || !isPlainPath(path)) return false
  return prefixes.some(prefix => {
    const bare = prefix.endsWith('/') ? prefix.slice(0, -1) : prefix
    return path === bare || path.startsWith(`${bare}/`)
  })
}

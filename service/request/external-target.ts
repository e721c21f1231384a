import { quoted, shown } from '../../shared/shown-text.js'

/** What a client asked for, where a proxy in front passes on something else. */

export interface ExternalOptions<Req> {
  readonly pathPrefix?: string
  readonly externalUrl?: (req: Req) => string
}

/**
 * @param arrivedTarget path and query as they arrived
 * @throws TypeError if an option cannot be meant so
 */
export function externalTarget<Req>(
  { pathPrefix, externalUrl }: ExternalOptions<Req>,
  arrivedTarget: (req: Req) => string,
): (req: Req) => string {
  if (externalUrl !== undefined) {
    if (typeof externalUrl !== 'function') throw new TypeError('externalUrl is a function of the request')
    if (pathPrefix !== undefined)
      throw new TypeError('externalUrl says all of a URL: it takes no pathPrefix beside it')
    return req => targetIn(externalUrl(req))
  }
  if (pathPrefix === undefined) return arrivedTarget
  if (typeof pathPrefix !== 'string' || !PREFIX.test(pathPrefix)) {
    throw new TypeError(
      `pathPrefix is a path without a "/" at its end, such as '/api', and not ${shown(pathPrefix)}`,
    )
  }
  return req => pathPrefix + arrivedTarget(req)
}

/** Parts of a path that every program reads alike. */
const PREFIX = /^(?:\/(?!\.{1,2}(?:\/|$))[\w\-.~!$&'()*+,;=:@]+)+$/

/** @throws TypeError that says what is wrong with what the owner's function gave */
function targetIn(url: unknown): string {
  const authority = typeof url === 'string' ? (/^https?:\/\/[^/?#]+/i.exec(url)?.[0] ?? '') : ''
  const rest = typeof url === 'string' ? url.slice(authority.length) : ''
  const target = authority === '' || rest.startsWith('/') ? rest : `/${rest}`
  if (/^\/[\x21-\xff]*$/.test(target) && !target.includes('#')) return target
  const given = typeof url === 'string' ? quoted(url.split('?', 1)[0] ?? '') : shown(url)
  throw new TypeError(
    `externalUrl gave ${given}, which is no URL with a path, as 'https://host/path?query' or '/path?query'`,
  )
}

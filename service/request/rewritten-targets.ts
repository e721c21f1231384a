/** What a client may have asked for, if a proxy or framework made another path of it in one of the usual ways. */

export interface RewrittenTarget {
  readonly target: string
  /** What was taken from the beginning of the path, if it was that. */
  readonly prefix?: string
  /** What was put before it, if it was that. */
  readonly added?: string
}

type Headers = readonly (readonly [name: string, value: string])[]

/** In which proxies say what they took away. Anybody can write them, so they decide nothing: they are only tried. */
const PREFIX_HEADERS: ReadonlySet<string> = new Set([
  'x-forwarded-prefix',
  'x-script-name',
  'x-forwarded-path',
])
/** And in which they say what the whole was. */
const WHOLE_HEADERS: ReadonlySet<string> = new Set([
  'x-forwarded-uri',
  'x-original-uri',
  'x-envoy-original-path',
  'x-replaced-path',
  'x-forwarded-path',
])

/** Characters. */
const HINT_MAX = 1024
/** How many headers are looked at, and how many parts of a path are taken off. */
const HEADERS_MAX = 8
const PARTS_MAX = 4

/** Each once, the likeliest first. @param service its name, which proxies often tell services apart by */
export function* rewrittenTargets(
  target: string,
  headers: Headers,
  service: string,
): Generator<RewrittenTarget> {
  const seen = new Set([target])
  for (const rewritten of all(target, headers, service)) {
    if (seen.has(rewritten.target) || !/^\/[\x21-\xff]*$/.test(rewritten.target)) continue
    seen.add(rewritten.target)
    yield rewritten
  }
}

function* all(target: string, headers: Headers, service: string): Generator<RewrittenTarget> {
  const absolute = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*(.*)$/i.exec(target)?.[1]
  if (absolute !== undefined) yield { target: absolute }
  for (const prefix of prefixesFor(headers, service)) yield { target: prefix + target, prefix }
  for (const [, value] of told(headers, WHOLE_HEADERS)) yield wholeOf(value, target)
  let rest = target
  for (let parts = 1; parts <= PARTS_MAX; parts++) {
    const next = /^\/[^/?]+(?=\/)/.exec(rest)?.[0]
    if (next === undefined) break
    rest = rest.slice(next.length)
    yield { target: rest, added: target.slice(0, target.length - rest.length) }
  }
  yield* spellings(target)
}

function told(headers: Headers, names: ReadonlySet<string>): Headers {
  return headers
    .filter(([name, value]) => names.has(name.toLowerCase()) && value.length <= HINT_MAX)
    .slice(0, HEADERS_MAX)
}

function prefixesFor(headers: Headers, service: string): string[] {
  const given = told(headers, PREFIX_HEADERS).map(([, value]) => value.trim().replace(/\/$/, ''))
  const [name = service] = service.split('/')
  const usual = [`/${name}`, '/api', `/api/${name}`, `/v1`, '/api/v1', `/api/v1/${name}`, `/services/${name}`]
  return [...given.filter(prefix => prefix.startsWith('/')), ...usual]
}

/** What such a header says was asked for: a prefix was taken away if it ends with what arrived. */
function wholeOf(value: string, arrived: string): RewrittenTarget {
  const whole = value.trim().replace(/^[a-z]+:\/\/[^/?#]*/i, '')
  const query = arrived.slice(arrived.split('?', 1)[0]?.length)
  const target = whole.includes('?') ? whole : whole + query
  if (target.length <= arrived.length || !target.endsWith(arrived)) return { target }
  return { target, prefix: target.slice(0, -arrived.length) }
}

/** Other spellings of what means the same to many programs. */
function* spellings(target: string): Generator<RewrittenTarget> {
  const [path = '', ...queries] = target.split('?')
  const query = queries.length === 0 ? '' : `?${queries.join('?')}`
  const paths = [
    path.endsWith('/') ? path.slice(0, -1) : `${path}/`,
    path.replace(/\/index\.[a-z]+$/, '/'),
    encoded(path),
    path.replace(/[^\w\-.~/%]/g, char => encodeURIComponent(char)),
    decoded(path),
    path.replace(/%[0-9a-f]{2}/gi, code => code.toUpperCase()),
    path.replace(/%[0-9a-f]{2}/gi, code => code.toLowerCase()),
    path.replaceAll('/', '//'),
  ]
  for (const other of paths) yield { target: other + query }
  const others = [
    query.replaceAll('%20', '+'),
    query.replaceAll('+', '%20'),
    query.replace(/%[0-9a-f]{2}/gi, code => code.toUpperCase()),
    query.replace(/%[0-9a-f]{2}/gi, code => code.toLowerCase()),
    query === '' ? '?' : query === '?' ? '' : query,
    query.replaceAll('[', '%5B').replaceAll(']', '%5D'),
  ]
  for (const other of others) yield { target: path + other }
}

function encoded(path: string): string {
  return path.replace(/[^\w\-.~!$&'()*+,;=:@/%]/g, char => encodeURIComponent(char))
}

function decoded(path: string): string {
  return path.replace(/%(2[0-9a-f]|[3-7][0-9a-f])/gi, code =>
    String.fromCharCode(Number.parseInt(code.slice(1), 16)),
  )
}

import type { Value } from '../../shared/encoding/encoding.js'
import { type KnownOptions, requireKnownOptions } from '../../shared/options.js'
import { type Principal, principalIn, type RealmName } from '../../shared/principal.js'
import { quoted } from '../../shared/shown-text.js'
import { pathFault } from '../../shared/ticket/caveat-path.js'
import { type Caveat, encodeCaveat } from '../../shared/ticket/caveats.js'
import { type Duration, parseDuration } from '../../shared/time.js'

/** How a ticket is restricted. Each part becomes a caveat. All caveats must hold, and none can be removed again. */
export interface Attenuation {
  /** When it ends: an instant (a `Date`, or milliseconds of KDC time), or a duration from now such as `'5m'`. */
  readonly expires?: Date | number | Duration
  /** HTTP methods, in upper case. */
  readonly methods?: readonly string[]
  /** Path prefixes such as `/orders`. A prefix matches whole segments only. */
  readonly paths?: readonly string[]
  /** The services that it may be used for, which is useful for a TGT. A short name means this realm. */
  readonly services?: readonly string[]
  /** The claims that a service still sees. */
  readonly claims?: readonly string[]
  /** Values for the service's own checkers, by their names. */
  readonly app?: Readonly<Record<string, Value>>
  /** The only principal that may present it, beside a ticket of its own. A short name means this realm. */
  readonly to?: string
}

const PARTS: KnownOptions<Attenuation> = {
  expires: true,
  methods: true,
  paths: true,
  services: true,
  claims: true,
  app: true,
  to: true,
}

/**
 * The encoded caveats for an attenuation (docs/protocol.md section 5).
 * @param now milliseconds of KDC time
 * @throws TypeError for an empty attenuation, and for one that no caveat can express
 */
export function caveatsOf(attenuation: Attenuation, realm: RealmName, now: number): Uint8Array[] {
  requireKnownOptions('attenuate', attenuation, PARTS)
  const caveats = [
    ...expiry(attenuation, now),
    ...texts('methods', attenuation.methods, /^[A-Z][A-Z-]*$/),
    ...paths(attenuation),
    ...services(attenuation, realm),
    ...texts('claims', attenuation.claims, /^/),
    ...apps(attenuation),
    ...holder(attenuation, realm),
  ]
  if (caveats.length === 0) throw new TypeError('say what the ticket is cut down to, as { expires: "5m" }')
  return caveats.map(encodeCaveat)
}

function* expiry({ expires }: Attenuation, now: number): Generator<Caveat> {
  if (expires === undefined) return
  const relative = typeof expires === 'string' ? parseDuration(expires) : undefined
  const time = relative === undefined ? expires?.valueOf() : now + relative
  if (typeof time !== 'number' || !Number.isSafeInteger(time) || time < 0) {
    throw new TypeError('expires is a Date, milliseconds since the epoch, or a time from now as "5m"')
  }
  yield { name: 'expires', time }
}

function* texts(
  name: 'methods' | 'claims',
  list: readonly string[] | undefined,
  form: RegExp,
): Generator<Caveat> {
  if (list === undefined) return
  if (!Array.isArray(list) || !list.every(text => typeof text === 'string' && form.test(text))) {
    throw new TypeError(`${name} is a list of texts${name === 'methods' ? ', as ["GET", "HEAD"]' : ''}`)
  }
  yield name === 'methods' ? { name, methods: list } : { name, claims: list }
}

function* paths({ paths }: Attenuation): Generator<Caveat> {
  if (paths === undefined) return
  if (!Array.isArray(paths) || !paths.every(path => typeof path === 'string')) {
    throw new TypeError('paths is a list of prefixes, as ["/orders"]')
  }
  for (const path of paths) {
    const fault = pathFault(path)
    if (fault !== undefined) throw new TypeError(`the path ${quoted(path)} is no prefix: ${fault}`)
  }
  yield { name: 'paths', prefixes: paths }
}

function* services({ services }: Attenuation, realm: RealmName): Generator<Caveat> {
  if (services === undefined) return
  yield { name: 'services', services: services.map((name): Principal => principalIn(realm, name)) }
}

function* apps({ app }: Attenuation): Generator<Caveat> {
  if (app === undefined) return
  if (typeof app !== 'object' || app === null || Array.isArray(app)) {
    throw new TypeError('app is an object of values by name, as { tenant: "acme" }')
  }
  for (const [name, value] of Object.entries(app)) yield { name: 'app', app: name, value }
}

function* holder({ to }: Attenuation, realm: RealmName): Generator<Caveat> {
  if (to !== undefined) yield { name: 'holder', holder: principalIn(realm, to) }
}

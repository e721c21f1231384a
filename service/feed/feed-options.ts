import type { KnownOptions } from '../../shared/options.js'
import { shown } from '../../shared/shown-text.js'
import { type Duration, parseDuration } from '../../shared/time.js'
import { REVOCATIONS_MAX } from './revoked-set.js'

/** The options of `loadService` for following what the KDC revokes. */
export interface FeedOptions {
  /**
   * `ws://` or `wss://` URLs of the realm's KDCs. The service follows what they revoke, and refuses it from that moment
   * on; without, a ticket is good until it ends. The service logs in with its own keytab. Default: the KDCs that the
   * keytab names (`# kdc URL,URL`), or else, with `join`, those that the code names.
   */
  readonly kdc?: string | readonly string[] | undefined
  /**
   * Follows no revocations although the keytab, or the code of `join`, names KDCs: a ticket that was revoked is good until it
   * ends. Not with `kdc`. Default false.
   */
  readonly withoutRevocations?: boolean
  /**
   * For how long it accepts requests while no KDC confirms the revocations, such as `'10m'`. An attacker who cuts it off
   * from the KDC gains that time. Default: as long as the realm is set to survive an outage (`orthrus admin realm
   * --survive`), and 10 minutes at the least. Needs `kdc`.
   */
  readonly maxStaleness?: Duration
  /**
   * Accepts requests before a KDC has answered for the first time, for as long as `maxStaleness`: whoever was revoked
   * before this start is accepted until then. Default false. Needs `kdc`.
   */
  readonly startWithoutFeed?: boolean
  /**
   * The path of a file in which `service.close()` saves the revocations, so that the next start need not wait for a KDC.
   * Of this process alone; it is removed when it is read. Default: none. Needs `kdc`.
   */
  readonly feedFile?: string
  /** How many revocations are held, about 150 bytes each. Beyond, nothing is accepted. Default 1 million. Needs `kdc`. */
  readonly maxRevocations?: number
}

export const FEED_OPTIONS: KnownOptions<FeedOptions> = {
  kdc: true,
  withoutRevocations: true,
  maxStaleness: true,
  startWithoutFeed: true,
  feedFile: true,
  maxRevocations: true,
}

/** The options with all defaults filled in. */
export interface FeedSettings {
  readonly kdc: string | readonly string[]
  /** Milliseconds; undefined for what the realm says. */
  readonly maxStaleness: number | undefined
  readonly startWithoutFeed: boolean
  readonly feedFile: string | undefined
  readonly maxRevocations: number
}

/** @returns undefined without `kdc`. @throws TypeError if an option cannot be meant so */
export function feedSettings(options: FeedOptions): FeedSettings | undefined {
  const { kdc, maxStaleness, startWithoutFeed = false, feedFile } = options
  const { maxRevocations = REVOCATIONS_MAX } = options
  if (kdc === undefined) {
    const [lonely] = Object.keys(FEED_OPTIONS).filter(
      name => name !== 'withoutRevocations' && options[name as keyof FeedOptions] !== undefined,
    )
    if (lonely === undefined) return undefined
    throw new TypeError(
      `${lonely} of loadService needs kdc: the URL of the KDC whose revocations are followed`,
    )
  }
  const milliseconds = typeof maxStaleness === 'string' ? parseDuration(maxStaleness) : undefined
  if (milliseconds === undefined && maxStaleness !== undefined) {
    throw new TypeError(`maxStaleness is a duration such as '10m', not ${JSON.stringify(maxStaleness)}`)
  }
  if (typeof startWithoutFeed !== 'boolean') throw new TypeError('startWithoutFeed is true or false')
  if (feedFile !== undefined && (typeof feedFile !== 'string' || feedFile === '')) {
    throw new TypeError('feedFile is the path of a file')
  }
  if (!Number.isSafeInteger(maxRevocations) || maxRevocations < 1) {
    throw new TypeError(`maxRevocations is a whole number from 1, not ${shown(maxRevocations)}`)
  }
  return { kdc, maxStaleness: milliseconds, startWithoutFeed, feedFile, maxRevocations }
}

import { isKeytabThere } from '#keytab-file'
import { connect } from '../../client/connect.js'
import { kdcsOfKeytab } from '../../client/connect-identity.js'
import { requireJoin } from '../../client/connect-options.js'
import { OrthrusError } from '../../shared/errors.js'
import { parseJoinCode } from '../../shared/keytab/join-code.js'
import type { Logger } from '../../shared/logger.js'
import type { KnownOptions } from '../../shared/options.js'
import type { Clock } from '../../shared/time.js'
import type { Timers } from '../../shared/timers.js'
import type { FeedOptions } from './feed-options.js'

/** Here a service is a client, of `kdc@realm`: to get its first key with a code. */

/** The options of `loadService` for a host that gets its key at its first start (docs/protocol.md section 12). */
export interface JoinOptions {
  /**
   * A join code, `orthrusjoin1_...`. If there is no file `keytab` yet, it is exchanged for a key, which is written there;
   * otherwise only the KDCs that it names are, unless the keytab or `kdc` names others. A container keeps the file only on a volume. An
   * undefined or empty one counts as not given.
   */
  readonly join?: string | undefined
  /** Which instance this host is to be, for a code for `NAME/*`. Default: one that the KDC draws. */
  readonly instance?: string
  /** Allows joining over `ws://` to another machine: whoever records it and gets the code has the key. */
  readonly allowJoinOverPlainWebSocket?: boolean
}

export const JOIN_OPTIONS: KnownOptions<JoinOptions> = {
  join: true,
  instance: true,
  allowJoinOverPlainWebSocket: true,
}

export interface JoiningService extends JoinOptions {
  readonly keytab: string | { readonly text: string }
  readonly kdc?: string | readonly string[] | undefined
  readonly allowReadableKeytab?: boolean
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
}

type Naming = Pick<JoiningService, 'join' | 'keytab' | 'kdc' | 'allowReadableKeytab'> &
  Pick<FeedOptions, 'withoutRevocations'>

/**
 * The same options with the KDCs that the keytab names, or else the code, unless `kdc` names others.
 * @throws OrthrusError `credential_invalid` or `keytab_invalid`. @throws TypeError
 */
export async function withKdcs<Options extends Naming>(options: Options): Promise<Options> {
  const { keytab, withoutRevocations = false } = options
  const join = requireJoin('loadService', options)
  if (typeof withoutRevocations !== 'boolean') throw new TypeError('withoutRevocations is true or false')
  if (withoutRevocations && options.kdc !== undefined)
    throw new TypeError(
      'withoutRevocations of loadService excludes kdc, which names whose revocations are followed',
    )
  if (withoutRevocations || options.kdc !== undefined) return options
  const isThere = join === undefined || (typeof keytab === 'string' && (await isKeytabThere(keytab)))
  const named = isThere ? await kdcsOfKeytab(options) : []
  if (named.length > 0) return { ...options, kdc: named }
  if (join === undefined) return options
  const { kdc } = parseJoinCode(join.trim())
  // Joining says what is missing.
  return kdc.length === 0 ? options : { ...options, kdc }
}

/**
 * Makes sure that the keytab is there, and that its key is the service's own. A service that has its keytab starts
 * without a KDC too.
 * @throws OrthrusError and TypeError as `connect` does with a code
 */
export async function joinService(options: JoiningService): Promise<void> {
  const join = requireJoin('loadService', options)
  if (join === undefined) return
  const { keytab, kdc, instance, allowJoinOverPlainWebSocket, allowReadableKeytab } = options
  const { clock, timers, logger } = options
  const isThere = typeof keytab === 'string' && (await isKeytabThere(keytab))
  try {
    const realm = await connect({
      ...{ join, keytab, clock, timers, logger },
      ...(kdc === undefined ? {} : { kdc }),
      ...(instance === undefined ? {} : { instance }),
      ...(allowJoinOverPlainWebSocket === undefined ? {} : { allowJoinOverPlainWebSocket }),
      ...(allowReadableKeytab === undefined ? {} : { allowReadableKeytab }),
    })
    realm.close()
  } catch (cause) {
    if (!isThere || !(cause instanceof OrthrusError) || cause.code !== 'unavailable') throw cause
  }
}

import { isKeytabThere } from '#keytab-file'
import { parseJoinCode } from '../../shared/keytab/join-code.js'
import { requireJoin } from '../../shared/keytab/join-option.js'
import { type KeytabPlace, kdcsOfKeytab } from '../../shared/keytab/keytab-kdcs.js'
import type { KnownOptions } from '../../shared/options.js'
import type { FeedOptions } from './feed-options.js'

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

type Naming = Pick<JoinOptions, 'join'> &
  Partial<KeytabPlace> &
  Pick<FeedOptions, 'kdc' | 'withoutRevocations'>

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
  const named = isThere && keytab !== undefined ? await kdcsOfKeytab({ ...options, keytab }) : []
  if (named.length > 0) return { ...options, kdc: named }
  if (join === undefined) return options
  const { kdc } = parseJoinCode(join.trim())
  // Joining says what is missing.
  return kdc.length === 0 ? options : { ...options, kdc }
}

import { isKeytabThere } from '#keytab-file'
import { connect } from '../../client/connect.js'
import { OrthrusError } from '../../shared/errors.js'
import { requireJoin } from '../../shared/keytab/join-option.js'
import type { Logger } from '../../shared/logger.js'
import type { Clock } from '../../shared/time.js'
import type { Timers } from '../../shared/timers.js'
import type { JoinOptions } from './join-options.js'

/** Here a service is a client, of `kdc@realm`: to get its first key with a code. */

export interface JoiningService extends JoinOptions {
  readonly keytab: string | { readonly text: string }
  readonly kdc?: string | readonly string[] | undefined
  readonly allowReadableKeytab?: boolean
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
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

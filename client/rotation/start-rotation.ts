import { changingKeytab } from '#keytab-file'
import type { Fraction } from '../../shared/crypto/fraction.js'
import type { Logger } from '../../shared/logger.js'
import type { Clock } from '../../shared/time.js'
import type { Timers } from '../../shared/timers.js'
import { partsOf, type Realm, whenClosed } from '../realm.js'
import { KeyKeeper } from './key-keeper.js'
import { type RotationOptions, rotateKey } from './rotate.js'

export interface StartRotationOptions extends Pick<RotationOptions, 'onKeys'> {
  /** Of the keytab that the realm was connected with. */
  readonly path: string
  readonly clock: Clock
  readonly timers: Timers
  readonly fraction: Fraction
  readonly logger: Logger
}

/**
 * Changes the key of the realm's client in its keytab whenever it is due, until the realm is closed.
 * @throws OrthrusError `keytab_invalid` if the keytab cannot be changed where it is
 */
export async function startRotation(realm: Realm, options: StartRotationOptions): Promise<KeyKeeper> {
  await changingKeytab(options.path, options).requireChangeable()
  return keepKey(realm, options)
}

/** The same where the keytab could be changed before: should it not be possible now, it is tried again later. */
export function keepKey(realm: Realm, options: StartRotationOptions): KeyKeeper {
  const { path, onKeys } = options
  const keytab = changingKeytab(path, options)
  const rotation = { keytab, wanted: false, ...(onKeys === undefined ? {} : { onKeys }) }
  const keeper = new KeyKeeper({
    ...options,
    rotate: () => rotateKey(realm, rotation),
    now: partsOf(realm).now,
  })
  whenClosed(realm, () => keeper.close())
  return keeper
}

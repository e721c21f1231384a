import { type HeldState, heldState } from '../../shared/administration/held-state.js'
import { parseKeytab, selectPrincipal } from '../../shared/keytab/keytab.js'
import { endsIn } from '../../shared/keytab/keytab-edit.js'
import { kdcService } from '../../shared/principal.js'
import { openKdcChannel } from '../channel/kdc-channel.js'
import { ownKeys } from '../channel/own-keys.js'
import { partsOf, type Realm } from '../realm.js'

export interface HeldKey {
  readonly kvno: number
  readonly state: HeldState
  /** When the KDC made it, milliseconds; null if the KDC does not have it any more. */
  readonly createdAt: number | null
  /** When no ticket under it can live any more, milliseconds of KDC time; null if that is not known. */
  readonly endsAt: number | null
}

export interface KeyOverview {
  /** Those in the keytab, the highest kvno first. */
  readonly keys: readonly HeldKey[]
  /** When the current key is due to change, milliseconds; null for never. The time may be past. */
  readonly due: number | null
  /** KDC time, milliseconds. */
  readonly now: number
}

/**
 * Compares the keys of a keytab with those that the KDC has of the realm's client, and changes nothing.
 * @param text the keytab
 * @throws OrthrusError with the KDC's code; `unavailable`; `keytab_invalid`
 * @throws TypeError if the realm was not connected with a key
 */
export async function keyOverview(realm: Realm, text: string): Promise<KeyOverview> {
  const { source, now } = partsOf(realm)
  if (source.login === undefined) throw new TypeError('a credential has no keytab')
  const ticket = await source.login.freshTicket(kdcService(realm.realm))
  const channel = await openKdcChannel(realm, { ticket })
  try {
    const { keys, due } = await ownKeys(channel)
    const ends = endsIn(text, realm.client)
    const held = selectPrincipal(parseKeytab(text), realm.client).map(({ kvno }): HeldKey => {
      const createdAt = keys.find(key => key.kvno === kvno)?.createdAt ?? null
      return { kvno, state: heldState(kvno, keys), createdAt, endsAt: ends.get(kvno) ?? null }
    })
    return { keys: held, due, now: now() }
  } finally {
    channel.close()
  }
}

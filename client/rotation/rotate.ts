import type { KeySummary } from '../../shared/administration/keys.js'
import type { ChangingKeytab } from '../../shared/keytab/keytab-file.js'
import { kdcService, type Principal } from '../../shared/principal.js'
import { openKdcChannel } from '../channel/kdc-channel.js'
import type { OwnTransport } from '../channel/own-keys.js'
import type { LoginKey, OwnKeys } from '../login/identity.js'
import { partsOf, type Realm } from '../realm.js'
import { changeKeys, type KeyRoundResult } from './key-round.js'

/** What changing a key needs of the client that holds it. */
export interface KeyHolder {
  readonly principal: Principal
  /** KDC time, milliseconds. */
  now(): number
  /** A channel to `kdc@realm` under a ticket from a login that is made now. */
  open(): Promise<OwnTransport & { close(): void }>
  /** Logs in with the key. */
  prove(key: LoginKey): Promise<void>
  /** From now on the holder logs in with these keys. */
  hold(keys: OwnKeys): void
}

export interface RotationOptions {
  readonly keytab: ChangingKeytab
  /** Whether the key is to change even if it is not due. */
  readonly wanted: boolean
  /**
   * Called with the keys that were written to the keytab, the highest kvno first, before any of them is used: a service
   * must be able to open tickets under a key before the KDC can seal one. `told` is what the KDC had before them.
   */
  readonly onKeys?: (keys: OwnKeys, told: readonly KeySummary[]) => void
}

export interface Rotated {
  /** The kvno that became current, if the key was changed. */
  readonly kvno: number | undefined
  /** When the first of the old keys ends, milliseconds of KDC time; infinite if there is none. */
  readonly firstEnd: number
}

/**
 * Changes the key of the realm's client in its keytab and at the KDC, if it is due, and clears the keytab of keys that
 * nobody needs any more (docs/protocol.md section 12).
 * @throws OrthrusError with the KDC's code; `unavailable`; `keytab_invalid`
 * @throws TypeError if the realm was not connected with a key
 */
export async function rotateKey(realm: Realm, options: RotationOptions): Promise<Rotated> {
  return rotateHeldKey(holderOf(realm), options)
}

function holderOf(realm: Realm): KeyHolder {
  const { source, now } = partsOf(realm)
  const { login } = source
  if (login === undefined) throw new TypeError('a credential is no key that could be changed')
  return {
    principal: realm.client,
    now,
    open: async () => {
      const ticket = await login.freshTicket(kdcService(realm.realm))
      return openKdcChannel(realm, { ticket })
    },
    prove: key => login.prove(key),
    hold: keys => login.hold(keys),
  }
}

/**
 * It may be interrupted at any point: the KDC accepts a key that the keytab has then, and the next call finishes what
 * was begun. The key is in the keytab, on stable storage, before anything is sent under it.
 */
export async function rotateHeldKey(holder: KeyHolder, options: RotationOptions): Promise<Rotated> {
  const transport = await holder.open()
  const { keytab, onKeys } = options
  const round = async (wanted: boolean): Promise<KeyRoundResult> => {
    const { principal } = holder
    const facts = { principal, path: keytab.path, transport, now: holder.now(), wanted }
    const result = await keytab.change(text => changeKeys(text, facts))
    onKeys?.(result.keys, result.told)
    holder.hold(result.logins)
    return result
  }
  try {
    const { staged, firstEnd } = await round(options.wanted)
    if (staged === undefined) return { kvno: undefined, firstEnd }
    await holder.prove(staged)
    return { kvno: staged.kvno, firstEnd: (await round(false)).firstEnd }
  } finally {
    transport.close()
  }
}

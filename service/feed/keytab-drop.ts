import { changingKeytab } from '#keytab-file'
import { OrthrusError } from '../../shared/errors.js'
import { parseKeytab } from '../../shared/keytab/keytab.js'
import { editKeytab } from '../../shared/keytab/keytab-edit.js'
import type { Principal } from '../../shared/principal.js'
import type { Clock } from '../../shared/time.js'
import type { Timers } from '../../shared/timers.js'

export interface KeytabDropOptions {
  /** The path of the keytab; undefined if only its text was given. */
  readonly keytab: string | undefined
  readonly service: Principal
  readonly clock: Clock
  readonly timers: Timers
}

/**
 * Takes revoked keys out of the keytab, so that no later start accepts tickets under them: the KDC forgets the entry once
 * everything that it granted has ended, but a thief of the key makes tickets that never end.
 * @param lastKvno keys of this kvno and of lower ones
 * @throws OrthrusError `keytab_invalid` if the keytab cannot be changed; `unavailable` if others keep its lock
 */
export async function dropFromKeytab(
  { keytab, service, clock, timers }: KeytabDropOptions,
  lastKvno: number,
): Promise<void> {
  if (keytab === undefined) {
    throw new OrthrusError('keytab_invalid', 'the keytab was given as a text, which cannot be changed here')
  }
  await changingKeytab(keytab, { clock, timers }).change(async text => {
    const drop = parseKeytab(text, keytab)
      .filter(({ principal, kvno }) => principal === service && kvno <= lastKvno)
      .map(({ kvno }) => kvno)
    return {
      text: drop.length === 0 ? undefined : editKeytab(text, { principal: service, drop }),
      result: undefined,
    }
  })
}

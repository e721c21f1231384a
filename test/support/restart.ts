import { ownContext } from '../../kdc/admin/context.js'
import { callMethod } from '../../kdc/admin/methods.js'
import { createDispatch } from '../../kdc/exchange/dispatch.js'
import { openRealm } from '../../kdc/realm/realm.js'
import { systemRandom } from '../../shared/crypto/random.js'
import type { TestRealm } from './realm.js'

/** The same store under another process, whose memory is empty. */
export async function restarted(realm: TestRealm): Promise<TestRealm> {
  const reopened = await openRealm({ vault: realm.vault, clock: realm.clock, random: systemRandom })
  const context = { ...realm.context, realm: reopened }
  return {
    ...realm,
    realm: reopened,
    context,
    dispatch: createDispatch(context),
    call: (method, args) => callMethod(ownContext(reopened, realm.context.report), method, args),
  }
}

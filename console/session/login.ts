import { administrationOf } from '../../client/admin.js'
import { connect, type Realm } from '../../client/index.js'
import { partsOf } from '../../client/realm.js'
import { ConsoleSession } from './console-session.js'

export interface Login {
  readonly principal: string
  readonly password: string
}

/** The KDC behind the page: of its own origin. */
export function kdcUrl({ protocol, host }: Pick<Location, 'protocol' | 'host'>): string {
  return `${protocol === 'https:' ? 'wss' : 'ws'}://${host}/kdc`
}

/**
 * Logs in. The password is not kept.
 * @throws OrthrusError with the KDC's code; TypeError if the name is none
 */
export async function logIn({ principal, password }: Login): Promise<ConsoleSession> {
  const realm: Realm = await connect({ kdc: kdcUrl(location), principal, password })
  try {
    const administration = administrationOf(realm, () => realm.close())
    await administration.ready()
    const parts = partsOf(realm)
    return new ConsoleSession({ administration, me: realm.client, now: () => parts.now() })
  } catch (cause) {
    realm.close()
    throw cause
  }
}

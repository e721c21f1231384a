import { connect } from '../../client/connect.js'
import type { FaultRealm } from '../support/folder-realm.js'
import { isAbsence } from './administrators.js'

/**
 * Clients that ask for tickets over and over, until the KDC is gone: a connection, an AS exchange and some TGS
 * exchanges.
 */

const TGS_EACH = 8

export interface Asked {
  as: number
  tgs: number
}

/** @throws an error that a running KDC should not have caused */
export async function askUntilGone(
  realm: FaultRealm,
  url: string,
  name: string,
  { service, isGone, asked }: { service: string; isGone: () => boolean; asked: Asked },
): Promise<void> {
  while (!isGone()) {
    try {
      await askOnce(realm, url, name, service, asked)
    } catch (cause) {
      if (isGone() && isAbsence(cause)) return
      throw cause
    }
  }
}

async function askOnce(realm: FaultRealm, url: string, name: string, service: string, asked: Asked) {
  const client = await connect({ kdc: url, keytab: { text: realm.keytab(name) } })
  try {
    await client.getServiceTicket(service)
    asked.as += 1
    for (let i = 1; i <= TGS_EACH; i++) {
      // Another lifetime is another ticket.
      await client.getServiceTicket(service, { lifetime: 60_000 + i })
      asked.tgs += 1
    }
  } finally {
    client.close()
  }
}

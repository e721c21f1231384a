import { SECOND } from '../../shared/time.js'
import type { Random } from '../support/random.js'
import { MAX_STALENESS } from './following.js'
import type { World } from './world.js'

/** How long after the last moment at which a service may still trust what it knows the client calls, milliseconds. */
const AFTER: readonly [least: number, most: number] = [1, 20 * SECOND]
/** What the client sends to each service: some of it is lost on its way. */
const REQUESTS = 2

/**
 * Revokes the tickets of a client while nobody can reach the KDC, and lets the client use them once the services have
 * heard nothing for so long that they must refuse everything. Meanwhile the services sleep: to let them look for the
 * KDC every few seconds would be expensive.
 * @returns how long it keeps everybody from asking, milliseconds
 */
export async function revokeUnheard(world: World, random: Random): Promise<number> {
  const { kdc, ledger, network, timeline, services } = world
  const client = random.pick(world.clients)
  // The tickets of a new process do not end before they are used.
  await world.restartMeanwhile(client)
  const tickets = await Promise.all(
    services.map(({ name }) => client.realm.getServiceTicket(name).catch(() => undefined)),
  )
  if (tickets.includes(undefined) || !kdc.isUp) return 0
  kdc.cutOff()
  await kdc.revoke(client.name)
  const left = MAX_STALENESS + random.magnitude(...AFTER)
  for (const { clock } of services) clock.sleep(left)
  ledger.note(`the KDC is out of reach, and the tickets of ${client.name} are revoked`)
  timeline.in(left, () => {
    if (network.honest) return
    ledger.count('revoked tickets are used where nothing was heard for too long')
    ledger.note(`${client.name} uses tickets whose end nobody could hear of`)
    for (const { name: service } of services) {
      for (let i = 0; i < REQUESTS; i++) {
        const about = { client: client.name, service, kind: 'ok', repeatable: false } as const
        void world.call({ ...about, method: 'GET', body: '', safe: true })
      }
    }
  })
  // The services must not hear of it before the requests are there.
  timeline.in(left + SECOND, () => {
    ledger.note('the KDC is back')
    void kdc.start()
  })
  return left
}

import { SECOND } from '../../shared/time.js'
import type { Random } from '../support/random.js'
import type { World } from './world.js'

/** How far the service's clock is ahead of the KDC's, milliseconds: its window takes stamps up to a minute old. */
const AHEAD: readonly [least: number, most: number] = [3 * SECOND, 50 * SECOND]
/** How long the ticket has ended by then, by the service's clock: a refusal is final for the first 5 s. */
const ENDED: readonly [least: number, most: number] = [-SECOND / 2, 6 * SECOND]
const REQUESTS = 3

/**
 * Lets a client use a ticket that has ended by the service's clock and not by the KDC's. Clients replace each ticket
 * long before its end, so nobody can reach the KDC until then.
 * @returns how long it keeps everybody from asking, milliseconds
 */
export async function useToTheEnd(world: World, random: Random): Promise<number> {
  const { kdc, network, ledger, timeline } = world
  const client = random.pick(world.clients)
  const service = random.pick(world.services)
  const ahead = random.magnitude(...AHEAD)
  const ticket = await client.realm.getServiceTicket(service.name).catch(() => undefined)
  if (ticket === undefined || !kdc.isUp) return 0
  const left = ticket.endTime - kdc.clock.now() - Math.max(1, ahead - random.between(...ENDED))
  // A clock that is set back shuts its service for a while.
  if (left <= 0 || service.clock.error > kdc.clock.error + ahead) return 0
  service.clock.set(kdc.clock.error + ahead)
  ledger.note(
    `${world.nameOf(service.clock)} is now ${service.clock.error} ms wrong, and the KDC out of reach`,
  )
  kdc.cutOff()
  timeline.in(left, () => {
    if (network.honest) return
    ledger.count('a ticket in its last seconds')
    ledger.note(`the KDC is back, and ${client.name} uses its ticket for ${service.name} in its last seconds`)
    void kdc.start()
    for (let i = 0; i < REQUESTS; i++) {
      const about = { client: client.name, service: service.name, kind: 'ok', repeatable: false } as const
      void world.call({ ...about, method: 'POST', body: 'pay', safe: false })
    }
  })
  return left
}

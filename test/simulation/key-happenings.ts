import type { Random } from '../support/random.js'
import { inviteTwo } from './joining.js'
import { revokeUnheard } from './unheard.js'
import type { World } from './world.js'

/** What happens in a world whose keys change: revocations, other keys, and hosts that join. */

export const KEY_HAPPENINGS = {
  'the tickets of a client are revoked': 5,
  'a holder is asked for another key': 8,
  'the KDC gets another key': 2,
  'a client restarts': 2,
  'hosts join': 1.5,
  'a revocation is not heard of': 1,
} as const
export type KeyHappening = keyof typeof KEY_HAPPENINGS

/** @returns how long it keeps everybody from asking, milliseconds */
export async function happenToKeys(world: World, random: Random, happening: KeyHappening): Promise<number> {
  const { kdc, clients, services, ledger } = world
  if (!kdc.isUp) return 0
  switch (happening) {
    case 'the tickets of a client are revoked': {
      const { name } = random.pick(clients)
      ledger.note(`the tickets of ${name} are revoked`)
      await kdc.revoke(name)
      return 0
    }
    case 'a holder is asked for another key':
      await askForKey(world, random.pick([...clients, ...services]).name)
      return 0
    case 'the KDC gets another key':
      await kdc.rotate(random.pick(['krbtgt', 'kdc']))
      return 0
    case 'a client restarts':
      await world.restartMeanwhile(random.pick(clients))
      return 0
    case 'hosts join':
      await inviteTwo(world)
      return 0
    case 'a revocation is not heard of':
      return revokeUnheard(world, random)
  }
}

/** Services hear of it by the feed; clients ask once a day, and here at once. */
export async function askForKey({ kdc, clients, ledger }: World, name: string): Promise<void> {
  ledger.note(`${name} is asked for another key`)
  await kdc.rotate(name)
  clients.find(client => client.name === name)?.keeper?.ask()
}

/** Each holder has a key that the KDC takes, whatever became of its changes. */
export async function requireKeys({ kdc, clients, services, ledger }: World): Promise<void> {
  for (const { name, holder } of [...clients, ...services]) {
    const known = await Promise.all(holder.entries.map(entry => kdc.knows(entry)))
    if (!known.includes(true)) ledger.violate(`lost: ${name} has no key that the KDC takes`)
  }
}

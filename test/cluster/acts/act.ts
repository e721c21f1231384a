import type { Administrator } from '../administrator.js'
import type { Asker } from '../asker.js'
import type { KdcHost } from '../kdc-host.js'
import type { World } from '../world.js'

/** What a schedule is made of. Each act puts one thing wrong, tries what the design promises there, and mends it. */
export type Act = (world: World) => Promise<void>

/** Two different KDCs, as administrators. */
export function two(world: World): [Administrator, Administrator] {
  const one = world.chance.below(world.kdcs.length)
  const other = (one + 1 + world.chance.below(world.kdcs.length - 1)) % world.kdcs.length
  return [world.administrators[one], world.administrators[other]] as [Administrator, Administrator]
}

export function askerAt(world: World, host: KdcHost): Asker {
  return world.askers.find(asker => asker.host === host) as Asker
}

/** What every KDC that is up shows of a principal. */
export async function readEverywhere(world: World, name: string): Promise<void> {
  await Promise.all(world.administrators.filter(({ host }) => host.isUp).map(admin => admin.read(name)))
}

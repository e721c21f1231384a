import { HOUR, MINUTE, SECOND } from '../../shared/time.js'
import type { Random } from '../support/random.js'
import { happenToKeys, KEY_HAPPENINGS, type KeyHappening } from './key-happenings.js'
import { useToTheEnd } from './last-seconds.js'
import type { Weather } from './network.js'
import type { SimulatedService } from './simulated-service.js'
import type { MachineClock } from './timeline.js'
import type { World } from './world.js'

/** What happens in the world besides requests: clocks, restarts, outages, old requests that are sent again. */

const HAPPENINGS = {
  'the weather changes': 6,
  'a clock of a client is stepped': 3,
  'a clock of a service is stepped': 4,
  'the clock of the KDC is stepped': 2,
  'a clock is set right': 7,
  'a service restarts': 5,
  'a service gets another key': 1,
  'a replay cache is flooded': 0.4,
  'the KDC is away': 2,
  'old requests come again': 5,
  'a ticket is used to its end': 3,
  'nothing for long': 1.5,
} as const
type Happening = keyof typeof HAPPENINGS

/** Where services ask the KDC every few seconds, hours are expensive. */
const WITH_KEYS = { ...HAPPENINGS, ...KEY_HAPPENINGS, 'nothing for long': 0, 'a replay cache is flooded': 0 }

function isAboutKeys(happening: Happening | KeyHappening): happening is KeyHappening {
  return happening in KEY_HAPPENINGS
}

/** @returns how long it keeps everybody from asking, milliseconds */
export async function happen(world: World, random: Random): Promise<number> {
  const happening = world.settings.keysChange
    ? random.weighted<Happening | KeyHappening>(WITH_KEYS)
    : random.weighted<Happening>(HAPPENINGS)
  world.ledger.count(`it happened: ${happening}`)
  world.ledger.note(happening)
  const { kdc, services, clients, network } = world
  if (isAboutKeys(happening)) return happenToKeys(world, random, happening)
  switch (happening) {
    case 'the weather changes':
      network.weather = random.pick<Weather>(['calm', 'rough', 'rough', 'storm'])
      return 0
    case 'a clock of a client is stepped':
      step(world, random, random.pick(clients).clock)
      return 0
    case 'a clock of a service is stepped':
      step(world, random, random.pick(services).clock)
      return 0
    case 'the clock of the KDC is stepped':
      step(world, random, kdc.clock)
      return 0
    case 'a clock is set right':
      random.pick(world.clocks).set(0)
      return 0
    case 'a service restarts':
      restart(world, random, random.pick(services))
      return 0
    case 'a service gets another key':
      await rekey(world, random, random.pick(services))
      return 0
    case 'a replay cache is flooded':
      random.pick(services).flood(random.chance(0.5) ? random.pick(clients).name : undefined)
      network.replay(20, 10)
      return 0
    case 'the KDC is away':
      leave(world, random)
      return 0
    case 'old requests come again':
      network.replay(random.pick([5, 20, 300]), random.between(1, 8))
      return 0
    case 'a ticket is used to its end':
      return useToTheEnd(world, random)
    case 'nothing for long':
      return random.between(5 * MINUTE, 90 * MINUTE)
  }
}

/** How far a clock goes wrong in one step, milliseconds. */
const STEPS: readonly (readonly [least: number, most: number])[] = [
  [1, 999],
  [1, 999],
  [SECOND, 12 * SECOND],
  [6 * SECOND, 14 * SECOND],
  [12 * SECOND, 2 * MINUTE],
  [2 * MINUTE, 10 * MINUTE],
  [10 * MINUTE, 6 * HOUR],
]

function step(world: World, random: Random, clock: MachineClock): void {
  const [least, most] = random.pick(world.settings.keysChange ? STEPS.slice(0, -1) : STEPS)
  const by = random.sign() * random.magnitude(least, most)
  clock.set(clock.error + by)
  const size = least < SECOND ? 'milliseconds' : least < 10 * MINUTE ? 'seconds or minutes' : 'hours'
  world.ledger.count(`a step of ${size} ${by < 0 ? 'back' : 'forth'}`)
  world.ledger.note(`${world.nameOf(clock)} is stepped by ${by} ms and now ${clock.error} ms wrong`)
}

function restart(world: World, random: Random, service: SimulatedService): void {
  if (!service.isUp) return
  if (!service.mayStart) {
    world.ledger.count('a restart that the protocol does not allow')
    return
  }
  service.stop()
  const away = random.magnitude(1, 20 * SECOND)
  world.timeline.in(away, () => world.startWhenAllowed(service))
  world.timeline.in(away + random.magnitude(1, 30 * SECOND), () => world.network.replay(20, 5))
}

async function rekey(world: World, random: Random, service: SimulatedService): Promise<void> {
  // A KDC stores the time of each change and never goes back below it: with a clock ahead it would stay wrong.
  if (!world.kdc.isUp || world.kdc.clock.error > 0 || !service.isUp || !service.mayStart) return
  service.stop()
  const entry = await world.kdc.rekey(service.name)
  service.holder.bring(random.chance(0.5) ? [entry] : [entry, ...service.holder.entries])
  world.ledger.count('another key')
  world.startWhenAllowed(service)
}

/** Unreachable, or stopped and started again. */
function leave({ kdc, timeline, ledger }: World, random: Random): void {
  if (!kdc.isUp) return
  if (random.chance(0.25)) {
    ledger.count('the KDC restarts')
    kdc.stop()
  } else kdc.cutOff()
  timeline.in(random.magnitude(100, 10 * MINUTE), () => {
    ledger.note('the KDC is back')
    void kdc.start()
  })
}

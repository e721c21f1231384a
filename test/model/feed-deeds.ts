import { SECOND } from '../../shared/time.js'
import { FOLLOWER, MAX_STALENESS } from './cast.js'
import { among, type Kind } from './deed.js'
import type { Connection, FeedNetwork } from './feed-network.js'
import { require } from './reference.js'
import { restart } from './setting-deeds.js'
import type { World } from './world.js'

/** What the network does with what the KDC says of revocations (docs/protocol.md section 10). */

/** How often a follower asks, and the longest pause before it comes back, milliseconds. */
const ASKS_EVERY = 5 * SECOND
const RETURNS_WITHIN = 5 * SECOND
/** A service that starts takes no stamp for 6 s, milliseconds. */
const STARTED_WITHIN = 10 * SECOND

export const hold: Kind<object> = {
  name: 'the feed is held back',
  async act({ world }) {
    const { network } = feedOf(world)
    if (network.isHeld) return false
    network.isHeld = true
    return true
  },
}

export const release: Kind<object> = {
  name: 'the feed flows again',
  async act({ world }) {
    const { network } = feedOf(world)
    if (!network.isHeld) return false
    network.isHeld = false
    return true
  },
}

export const delay: Kind<{
  readonly power: number
  /** Whether the service ends in order meanwhile, and begins again with what it saved: that is no younger for it. */
  readonly restarted: boolean
}> = {
  name: 'an answer comes too late',
  async act(run, { power: which, restarted }) {
    const { world, attacker } = run
    const { network } = feedOf(world)
    network.isHeld = true
    world.pass(ASKS_EVERY)
    await world.settle()
    world.pass(MAX_STALENESS - STARTED_WITHIN)
    if (restarted) await restart(run, FOLLOWER, 0, true)
    world.pass(STARTED_WITHIN)
    network.isHeld = restarted
    await world.settle()
    const { clock } = world.host(FOLLOWER)
    const alive = attacker.powers.filter(({ service, id }) => {
      const end = world.reference.tickets.get(id)?.end ?? 0
      return service === FOLLOWER && end > clock.now()
    })
    const power = among(alive, which)
    if (power !== undefined) {
      const asking = { method: 'GET', target: '/orders/7', body: '', time: clock.now() }
      await world.present(FOLLOWER, attacker.letter(attacker.shown(power, []), asking))
    }
    network.isHeld = false
    return power !== undefined
  },
}

export const cut: Kind<object> = {
  name: 'the feed is cut off',
  async act({ world }) {
    feedOf(world).network.cut()
    return true
  },
}

export const TAMPERINGS = [
  'skipped',
  'replayed',
  'swapped',
  'spliced',
  'flipped',
  'reflected',
  'an old session',
] as const

interface Tampering {
  readonly how: (typeof TAMPERINGS)[number]
  readonly which: number
}

export const tamper: Kind<Tampering> = {
  name: 'the feed is tampered with',
  async act({ world }, { how, which }) {
    const { network } = feedOf(world)
    const wasHeld = network.isHeld
    network.isHeld = true
    // Asked and answered, with the answers in the network's hands.
    world.pass(ASKS_EVERY)
    for (let i = 0; i < 4; i++) {
      await network.flowToKdc()
      await world.settle()
    }
    const { newest } = network
    const done = newest !== undefined && change(newest, network, how, which)
    network.isHeld = wasHeld
    return done
  },
}

function change(to: Connection, { connections }: FeedNetwork, how: Tampering['how'], which: number): boolean {
  const { toService, passed, toKdc } = to
  const [first] = toService
  if (how === 'skipped') return toService.shift() !== undefined
  if (how === 'swapped') {
    toService.reverse()
    return toService.length > 1
  }
  if (how === 'flipped') {
    if (first === undefined) return false
    const at = which % first.length
    first[at] = (first[at] ?? 0) ^ 1
    return true
  }
  const others = connections.filter(one => one !== to).flatMap(one => one.passed)
  if (how === 'an old session') {
    // All that came before another start of the service, or of the KDC.
    toService.splice(0, toService.length, ...others.map(message => message.slice()))
    return others.length > 0
  }
  const source = how === 'replayed' ? passed : how === 'spliced' ? others : toKdc
  const message = among(source, which)
  if (message !== undefined) toService.unshift(message.slice())
  return message !== undefined
}

export const leaveAlone: Kind<object> = {
  name: 'the feed is left alone',
  async act({ world }) {
    const { network, facts } = feedOf(world)
    const { reference } = world
    network.isHeld = false
    // A call without an answer is given up after a while; these wait without end, so that an answer can come very late.
    network.cut()
    const isServed = reference.isActive(FOLLOWER) && reference.keys.isShared(FOLLOWER)
    for (let i = 0; i < 4; i++) {
      world.pass(RETURNS_WITHIN)
      await world.settle()
    }
    const { clock } = world.host(FOLLOWER)
    const age = facts.age({ wall: clock.now(), monotonic: clock.monotonic() })
    if (!isServed) return false
    world.judge.guarded(() => {
      require(age <= 3 * ASKS_EVERY, `${FOLLOWER} does not hear from the KDC again: ${age} ms`)
      require(facts.known === reference.newest, `${FOLLOWER} has entry ${facts.known} of ${reference.newest}`)
    })
    world.tally.count('a feed that was left alone is whole')
    return true
  },
}

function feedOf(world: World) {
  const feed = world.feeds.get(FOLLOWER)
  if (feed === undefined) throw new Error(`${FOLLOWER} does not follow`)
  return feed
}

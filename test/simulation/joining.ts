import { enrol } from '../../client/channel/invitations.js'
import { openKdcChannel } from '../../client/channel/kdc-channel.js'
import { OrthrusError } from '../../shared/errors.js'
import { formatKeytab, type KeytabEntry } from '../../shared/keytab/keytab.js'
import { HOUR, MINUTE } from '../../shared/time.js'
import { Random } from '../support/random.js'
import { Holder } from './holder.js'
import { MachineClock } from './timeline.js'
import type { World } from './world.js'

/** Two hosts that have the same code, and try to join until they have a key or know that the other has it. */

export interface Host {
  readonly name: string
  readonly clock: MachineClock
  readonly random: Random
  readonly code: KeytabEntry
  /** Its keytab, once it has written one. */
  holder: Holder | undefined
  /** It logged in with its key. */
  joined: boolean
}

const LASTING = 1_000 * HOUR
const ATTEMPTS = 3

export async function inviteTwo(world: World): Promise<void> {
  const name = `host-${world.invited.length + 1}`
  const code = await world.kdc.invite(name, LASTING)
  const two = ['one', 'other'].map((which): Host => {
    const clock = new MachineClock(world.timeline, HOUR)
    const random = new Random(world.invited.length, `${name} ${which}`)
    return { name, clock, random, code, holder: undefined, joined: false }
  })
  world.invited.push(two)
  for (const host of two) void tryToJoin(world, host)
}

async function tryToJoin(world: World, host: Host): Promise<void> {
  for (let i = 0; i < ATTEMPTS && !host.joined && !world.network.honest; i++) {
    await join(world, host)
    await new Promise<void>(resolve => void host.clock.setTimeout(resolve, MINUTE))
  }
}

/** As `joinOnce` does: a host that has written its key uses the code no more. */
async function join(world: World, host: Host): Promise<void> {
  try {
    host.holder ??= await enrolled(world, host)
    const realm = await world.connect(host, host.holder.text)
    try {
      await realm.getTgt()
      host.joined = true
      world.ledger.count('a host joins')
    } finally {
      realm.close()
    }
  } catch (cause) {
    if (!(cause instanceof OrthrusError)) throw cause
    world.ledger.note(`a host that would be ${host.name}: ${cause.code} ${cause.facts.claimed ?? ''}`)
  }
}

async function enrolled(world: World, host: Host): Promise<Holder> {
  const realm = await world.connect(host, formatKeytab([host.code]))
  try {
    const channel = await openKdcChannel(realm)
    return new Holder(host.name, await enrol(channel, null))
  } finally {
    realm.close()
  }
}

/** With an honest network one of two hosts has the key, and the other does not think that it has. */
export async function requireJoined(world: World): Promise<void> {
  const { kdc, ledger, timeline, invited } = world
  for (const two of invited) {
    // Each tries once more; whoever wrote a key that was dropped is refused.
    for (const host of two) {
      let tried = false
      void join(world, host).finally(() => {
        tried = true
      })
      await timeline.until(() => tried)
    }
    const known = await Promise.all(
      two.map(({ holder }) => holder && kdc.knows(holder.entries[0] as KeytabEntry)),
    )
    const [{ name }] = two as [Host]
    const good = known.filter(one => one === true).length
    if (good !== 1) ledger.violate(`join: ${good} of two hosts have the key of ${name}`)
    two.forEach((host, i) => {
      if (host.joined !== (known[i] === true))
        ledger.violate(`join: a host is wrong about the key of ${name}`)
    })
  }
}

import { setTimeout as sleep } from 'node:timers/promises'
import { enrol } from '../../../client/channel/invitations.js'
import { openKdcChannel } from '../../../client/channel/kdc-channel.js'
import { digestOf, type Hand } from '../asker.js'
import { connectAs } from '../connect-as.js'
import type { KdcHost } from '../kdc-host.js'
import { shortOf } from '../names.js'
import { machineTime } from '../time.js'
import type { World } from '../world.js'
import { type Act, two } from './act.js'

/** Two administrators change the same records at two KDCs at once: neither change is lost. */
export const twoAtOnce: Act = async world => {
  const [one, other] = two(world)
  const name = world.fresh('shared')
  if ((await one.add(name)) === undefined) return
  const groups: string[] = []
  for (let i = 0; i < 4; i++) {
    const pair = [`@${world.fresh('g')}`, `@${world.fresh('g')}`] as const
    groups.push(...pair)
    await Promise.all([one.group(name, pair[0]), other.group(name, pair[1])])
    await Promise.all(world.administrators.map(admin => admin.read(name, groups)))
  }
  const revoked = [world.fresh('revoked'), world.fresh('revoked')]
  for (const each of revoked) await one.add(each)
  await Promise.all([one.revokeClient(revoked[0] as string), other.revokeClient(revoked[1] as string)])
  await Promise.all([one.rotate('krbtgt'), other.rotate('krbtgt')])
}

/** Two hosts hold one code, and bring it to two KDCs at once. */
export const oneCodeTwoHosts: Act = async world => {
  const [one, other] = two(world)
  const target = world.fresh('joining')
  const { result } = await one.invite(target, 1)
  if (result === undefined) return
  const { invitation } = result
  await Promise.all([
    join(world, one.host, invitation, 'first'),
    join(world, other.host, invitation, 'second'),
  ])
  // Whoever comes later comes to nothing.
  await join(world, other.host, invitation, 'third')
}

async function join(world: World, at: KdcHost, invitation: Hand, host: string): Promise<void> {
  const realm = await connectAs(at, invitation).catch(() => undefined)
  if (realm === undefined) return
  try {
    const channel = await openKdcChannel(realm)
    const { principal, kvno, key } = await enrol(channel, null)
    const given = { principal, kvno, key }
    const name = shortOf(principal)
    world.keys.add(given)
    const born = { kind: 'born', principal: name, kvno, key: digestOf(key) } as const
    world.recorder.add({ ...born, mayServe: machineTime() })
    await sleep(world.chance.below(30))
    const asker = world.chance.pick(world.askers)
    const { outcome } = await asker.login(given, [], () => false)
    if (outcome !== 'reply') return
    world.recorder.add({
      kind: 'joined',
      at: machineTime(),
      invitation: shortOf(invitation.principal),
      uses: 1,
      host,
    })
  } catch {
    // Refused, or not reached: then it did not come in.
  } finally {
    realm.close()
  }
}

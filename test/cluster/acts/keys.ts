import { setTimeout as sleep } from 'node:timers/promises'
import { openKdcChannel } from '../../../client/channel/kdc-channel.js'
import { stageNextKey } from '../../../client/channel/own-keys.js'
import { deriveNextKey } from '../../../shared/crypto/derive.js'
import { type Asker, digestOf, type Hand } from '../asker.js'
import { connectAs } from '../connect-as.js'
import { Hammer } from '../hammer.js'
import type { KdcHost } from '../kdc-host.js'
import { whole } from '../names.js'
import { machineTime } from '../time.js'
import { during, type KdcTrouble, kdcTrouble } from '../troubles.js'
import type { World } from '../world.js'
import { type Act, askerAt, two } from './act.js'

/** A TGT under a key that was made a moment ago is shown to the other KDCs at once, also to one that has not heard of it. */
export function rotateAndShow(trouble: KdcTrouble): Act {
  return async world => {
    const [admin, troubled] = two(world)
    const name = world.fresh('early')
    const hand = await admin.add(name)
    const service = world.chance.pick(world.services)
    if (hand === undefined || (await admin.allow(name, service.name)).outcome !== 'done') return
    for (let i = 0; i < 3; i++) {
      await during(world, 'kdc', troubled.host.name, kdcTrouble(troubled.host, trouble), async () => {
        await admin.rotate('krbtgt')
        const { reply } = await askerAt(world, admin.host).login(hand)
        const [tgt] = reply?.grants ?? []
        if (tgt === undefined) return
        const ask = (asker: Asker) => asker.tickets(hand.principal, tgt, [whole(service.name)])
        await Promise.all(world.askers.map(ask))
      })
    }
  }
}

/** A key is replaced after a theft: from then on nothing is sealed under the old one. */
export function replaceDuring(trouble: KdcTrouble): Act {
  return async world => {
    const [admin, troubled] = two(world)
    const stolen = world.fresh('stolen')
    const client = world.fresh('caller')
    const [target, hand] = [await admin.add(stolen), await admin.add(client)]
    if (target === undefined || hand === undefined) return
    if ((await admin.allow(client, stolen)).outcome !== 'done') return
    const { reply } = await askerAt(world, admin.host).login(hand, [whole(stolen)])
    const [tgt] = reply?.grants ?? []
    if (tgt === undefined) return
    await askerAt(world, troubled.host).tickets(hand.principal, tgt, [whole(stolen)])
    await during(world, 'kdc', troubled.host.name, kdcTrouble(troubled.host, trouble), async () => {
      const hammer = new Hammer(world.askers, hand, [stolen], tgt)
      await admin.replaceKey(stolen)
      await sleep(1_300)
      await hammer.stop()
    })
  }
}

/** A holder changes its key at one KDC, shows it to another, and is asked for at a third. */
export const holderChangesKey: Act = async world => {
  const [admin, other] = two(world)
  const name = world.fresh('holder')
  const client = world.fresh('caller')
  const [hand, caller] = [await admin.add(name), await admin.add(client)]
  if (hand === undefined || caller === undefined) return
  if ((await admin.allow(client, name)).outcome !== 'done') return
  const next = await stagedBy(world, admin.host, hand)
  if (next === undefined) return
  const ask = () => Promise.all(world.askers.map(asker => asker.login(caller, [whole(name)])))
  await ask()
  const mayServe = machineTime()
  const born = { kind: 'born', principal: name, kvno: next.kvno, key: digestOf(next.key) } as const
  world.recorder.add({ ...born, mayServe })
  const login = await askerAt(world, other.host).login(next)
  if (login.outcome !== 'reply') return
  await ask()
}

/** @returns the key that follows; `undefined` if the KDC could not be reached */
async function stagedBy(world: World, host: KdcHost, hand: Hand): Promise<Hand | undefined> {
  const realm = await connectAs(host, hand).catch(() => undefined)
  try {
    if (realm === undefined) return undefined
    const channel = await openKdcChannel(realm)
    const { kvno, salt } = await stageNextKey(channel, hand.kvno)
    const next = { principal: hand.principal, kvno, key: deriveNextKey(hand.key, salt) }
    world.keys.add(next)
    return next
  } catch {
    return undefined
  } finally {
    realm?.close()
  }
}

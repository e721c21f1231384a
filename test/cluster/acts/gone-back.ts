import { setTimeout as sleep } from 'node:timers/promises'
import { Hammer } from '../hammer.js'
import type { KdcHost } from '../kdc-host.js'
import { makeVictim, type Victim } from '../take-away.js'
import { machineTime } from '../time.js'
import { SETTLING } from '../troubles.js'
import type { World } from '../world.js'
import { type Act, readEverywhere, two } from './act.js'

/** What a KDC logs, with the way out of it. */
const NOTICE = 'this KDC grants nothing until it is started again'
/** How long it may take to notice it, milliseconds. */
const PATIENCE = 10_000

/**
 * etcd is restored from a snapshot while KDCs run. They notice that it has gone back, and grant nothing to anybody until
 * somebody who knows what is lost starts them again; what was taken away before it was saved is still gone then.
 */
export const goneBack: Act = async world => {
  const [admin] = two(world)
  const service = world.chance.pick(world.services)
  const victims: Victim[] = []
  for (let i = 0; i < 4; i++) {
    const victim = await makeVictim(world, admin, service)
    if (victim !== undefined) victims.push(victim)
  }
  const [kept, ...lost] = victims
  if (kept === undefined) return
  await admin.disable(kept.name)
  const saved = machineTime()
  const file = await world.cluster.save()
  for (const { name } of lost) await admin.disable(name)
  const hammers = victims.map(({ hand, tgt }) => new Hammer(world.askers, hand, [service.name], tgt))
  for (const hammer of hammers) hammer.isSound = false
  const before = new Map(world.kdcs.map(kdc => [kdc, kdc.timesSaid(NOTICE)]))
  const began = machineTime()
  await world.cluster.restore(file)
  const ended = machineTime()
  const noticed = await noticing(before)
  // They are asked all the while, also when all of etcd has been back for a moment.
  await sleep(1_000)
  const startedAgain = new Map<string, number>()
  for (const kdc of world.kdcs) {
    await kdc.kill('SIGTERM')
    startedAgain.set(kdc.name, machineTime())
    await kdc.restart()
  }
  world.recorder.add({ kind: 'restored', saved, noticed, startedAgain, began, ended })
  noteDown(world, began)
  await sleep(500)
  for (const hammer of hammers) await hammer.stop()
  await readEverywhere(world, kept.name)
}

/** @returns the names of those that said it in time */
async function noticing(before: ReadonlyMap<KdcHost, number>): Promise<string[]> {
  const until = machineTime() + PATIENCE
  for (;;) {
    const noticed = [...before].filter(([kdc, times]) => kdc.timesSaid(NOTICE) > times)
    if (noticed.length === before.size || machineTime() > until) return noticed.map(([{ name }]) => name)
    await sleep(50)
  }
}

/** Nobody was promised anything meanwhile. */
function noteDown(world: World, began: number): void {
  const ended = machineTime() + SETTLING
  for (const { name } of world.kdcs)
    world.recorder.add({ kind: 'down', what: 'kdc', name, fault: 'etcd has gone back', began, ended })
}

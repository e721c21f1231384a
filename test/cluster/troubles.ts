import { setTimeout as sleep } from 'node:timers/promises'
import type { MemberName } from './etcd-cluster.js'
import { MEMBERS } from './etcd-cluster.js'
import type { KdcHost } from './kdc-host.js'
import type { Passage } from './relay.js'
import { slowDisk } from './slow-disk.js'
import { machineTime } from './time.js'
import type { World } from './world.js'

/** What goes wrong with one KDC, or with one member, and how it is mended again. */

export interface Trouble {
  readonly name: string
  begin(): Promise<void>
  end(): Promise<void>
}

/** How long it takes to an etcd that is far away, and back again, milliseconds. */
export const WAY = 120

const OPEN: Passage = { kind: 'open', delay: 0 }
/** How long a KDC may take to be current after a fault, and a member to have caught up, milliseconds. */
export const SETTLING = 2_500

/** Writes down for how long the KDC or the member was away. */
export async function during<T>(
  world: World,
  what: 'kdc' | 'member',
  name: string,
  trouble: Trouble,
  task: () => Promise<T>,
): Promise<T> {
  const began = machineTime()
  await trouble.begin()
  try {
    return await task()
  } finally {
    await trouble.end()
    const settled = machineTime() + SETTLING
    world.recorder.add({ kind: 'down', what, name, fault: trouble.name, began, ended: settled })
  }
}

export const KDC_TROUBLES = {
  'its watch hangs': kdc => ({
    begin: async () => kdc.tell({ do: 'hold watch', on: true }),
    end: async () => kdc.tell({ do: 'hold watch', on: false }),
  }),
  'it stops between keep-alive and confirmation': kdc => ({
    begin: () => kdc.stopAfterKeepAlive(),
    end: async () => kdc.continue(),
  }),
  'it stops': kdc => ({ begin: async () => kdc.stop(), end: async () => kdc.continue() }),
  'it is killed': kdc => ({ begin: () => kdc.kill(), end: () => kdc.restart() }),
  'it ends and starts again': kdc => ({ begin: () => kdc.kill('SIGTERM'), end: () => kdc.restart() }),
  'it is cut off from etcd': kdc => ({
    begin: async () => kdc.setEtcd({ kind: 'cut' }),
    end: async () => kdc.setEtcd(OPEN),
  }),
  'what etcd sends is held up': kdc => ({
    begin: async () => kdc.setEtcd({ kind: 'frozen' }),
    end: async () => kdc.setEtcd(OPEN),
  }),
  'etcd hears it, and it does not hear etcd': kdc => ({
    begin: async () => kdc.setEtcd({ kind: 'one way' }),
    end: async () => kdc.setEtcd(OPEN),
  }),
  'etcd is far away': kdc => ({
    begin: async () => kdc.setEtcd({ kind: 'open', delay: WAY }),
    end: async () => kdc.setEtcd(OPEN),
  }),
  'its clock goes ahead': kdc => ({
    begin: async () => kdc.tell({ do: 'step clock', by: 3_000 }),
    end: async () => kdc.tell({ do: 'step clock', by: -3_000 }),
  }),
  'its clock goes back': kdc => ({
    begin: async () => kdc.tell({ do: 'step clock', by: -3_000 }),
    end: async () => kdc.tell({ do: 'step clock', by: 3_000 }),
  }),
  'clients are cut off from it': kdc => ({
    begin: async () => kdc.front('east').set({ kind: 'cut' }),
    end: async () => kdc.front('east').open(),
  }),
  'what clients send it is held up': kdc => ({
    begin: async () => kdc.front('east').set({ kind: 'frozen' }),
    end: async () => kdc.front('east').open(),
  }),
} as const satisfies Readonly<Record<string, (kdc: KdcHost) => Omit<Trouble, 'name'>>>

export type KdcTrouble = keyof typeof KDC_TROUBLES

export function kdcTrouble(kdc: KdcHost, name: KdcTrouble): Trouble {
  return { name, ...KDC_TROUBLES[name](kdc) }
}

export const MEMBER_TROUBLES = {
  'it is killed': (world, name) => ({
    begin: () => world.cluster.kill(name),
    end: async () => world.cluster.restart(name),
  }),
  'it stops': (world, name) => ({
    begin: async () => world.cluster.stop(name),
    end: async () => world.cluster.continue(name),
  }),
  'it is cut off from its peers': (world, name) => ({
    begin: async () => world.cluster.setPeers(name, { kind: 'cut' }),
    end: async () => world.cluster.setPeers(name, OPEN),
  }),
  'what its peers send is held up': (world, name) => ({
    begin: async () => world.cluster.setPeers(name, { kind: 'frozen' }),
    end: async () => world.cluster.setPeers(name, OPEN),
  }),
  'it is slow': (world, name) => slowness(world, name),
  'its disk is slow': (world, name) => {
    let quicken: (() => Promise<void>) | undefined
    return {
      begin: async () => {
        quicken = await slowDisk(world.cluster.pidOf(name))
      },
      end: async () => quicken?.(),
    }
  },
} as const satisfies Readonly<Record<string, (world: World, name: MemberName) => Omit<Trouble, 'name'>>>

export type MemberTrouble = keyof typeof MEMBER_TROUBLES

export function memberTrouble(world: World, member: MemberName, name: MemberTrouble): Trouble {
  return { name, ...MEMBER_TROUBLES[name](world, member) }
}

/** The one that leads, or any. */
export async function memberFor(world: World, role: 'leader' | 'follower'): Promise<MemberName> {
  const leader = await world.cluster.leader()
  const others = MEMBERS.filter(name => name !== leader)
  return role === 'leader' && leader !== undefined ? leader : world.chance.pick(others)
}

/** It runs for a tenth of the time. */
function slowness({ cluster }: World, name: MemberName): Omit<Trouble, 'name'> {
  let isOver = false
  let running: Promise<void> | undefined
  const run = async (): Promise<void> => {
    while (!isOver) {
      cluster.stop(name)
      await sleep(90)
      cluster.continue(name)
      await sleep(10)
    }
  }
  return {
    begin: async () => {
      running = run()
    },
    end: async () => {
      isOver = true
      await running
    },
  }
}

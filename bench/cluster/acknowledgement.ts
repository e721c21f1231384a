import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { clientName } from '../exchanges/realm.js'
import { type Group, type MeasuredRow, makeGroup, type Sample } from '../figures.js'
import { type Child, withChildren } from '../processes.js'
import type { Settings } from '../settings.js'
import { startEtcd } from './etcd.js'

/** How long `disable` takes until it is answered: from then on no KDC grants anything to that principal. */

/** One of them is short. With a KDC that stands still one takes over two seconds. */
const IN_ROUND = { NORMAL: 8, QUICK: 1 } as const
const KDCS = 3

const HEAD = {
  id: 'acknowledgement',
  title: 'A principal that is disabled, until no KDC grants it anything',
  note:
    `Elapsed time of \`disable\` at one KDC. With the realm on etcd, of one member on the same machine, ${KDCS} KDCs share it, ` +
    'each in a process; the command is answered when all of them have applied the change. One of them is stopped ' +
    '(SIGSTOP) just before: it is waited for, loses its place, and can answer nothing more. Each sample is one command.',
  columns: [{ key: 'took', title: 'answered after, ms', better: 'less' }],
  main: 'took',
} as const

export async function measureAcknowledgements(settings: Settings): Promise<Group> {
  return makeGroup(HEAD, [await measureAlone(settings), ...(await measureShared(settings))])
}

async function measureAlone(settings: Settings): Promise<MeasuredRow> {
  const folder = mkdtempSync(join(tmpdir(), 'orthrus-bench-level-'))
  try {
    return await withChildren(['./exchanges/kdc-process.js'], async (...processes) => {
      const [kdc] = processes as [Child]
      await kdc.ask('start', { clients: 1, services: 0, store: { level: join(folder, 'db') } })
      return { head: { id: 'disable.level', name: 'one KDC, LevelDB' }, samples: await many(kdc, settings) }
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function measureShared(settings: Settings): Promise<MeasuredRow[]> {
  const etcd = await startEtcd()
  try {
    const modules = Array.from({ length: KDCS }, () => './exchanges/kdc-process.js')
    return await withChildren(modules, async (...kdcs) => {
      const [first, second, third] = kdcs as [Child, Child, Child]
      const [store, masterKey] = [{ etcd: etcd.url }, randomBytes(32)]
      await first.ask('start', { clients: 1, services: 0, store, masterKey })
      for (const kdc of [second, third]) await kdc.ask('join', { store, masterKey })
      const all = { id: 'disable.3', name: `${KDCS} KDCs, etcd` }
      const paused = { id: 'disable.paused', name: `${KDCS} KDCs, etcd; one of them stopped` }
      return [
        { head: all, samples: await many(first, settings) },
        { head: paused, samples: await manyWithout(first, third, settings) },
      ]
    })
  } finally {
    await etcd.stop()
  }
}

async function many(kdc: Child, { rounds, quick }: Settings): Promise<Sample[]> {
  // The first one after a start waits for whoever may have lost a place before.
  await one(kdc)
  const samples: Sample[] = []
  const count = rounds * (quick ? IN_ROUND.QUICK : IN_ROUND.NORMAL)
  while (samples.length < count) samples.push(await one(kdc))
  return samples
}

async function manyWithout(kdc: Child, other: Child, { rounds }: Settings): Promise<Sample[]> {
  const samples: Sample[] = []
  for (let round = 0; round < rounds; round++) {
    await other.ask('untilCurrent')
    other.stopForNow()
    try {
      samples.push(await one(kdc))
    } finally {
      other.goOn()
    }
  }
  return samples
}

async function one(kdc: Child): Promise<Sample> {
  return { took: await kdc.ask<number>('disable', clientName(0)) }
}

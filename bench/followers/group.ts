import type { Revocation } from '../exchanges/kdc-process.js'
import { clientName, type StartedKdc } from '../exchanges/realm.js'
import { type Group, type MeasuredRow, makeGroup, type Sample } from '../figures.js'
import { type Child, withChildren } from '../processes.js'
import type { Settings } from '../settings.js'

/** One KDC whose revocation log many follow. */

/** For what takes long with many followers, milliseconds. */
const PATIENCE = 10 * 60_000

export async function measureFollowers(settings: Settings): Promise<Group> {
  const rows: MeasuredRow[] = []
  for (const count of settings.quick ? [20] : [100, 1_000, 10_000]) {
    rows.push(await measureCount(count, settings))
  }
  return makeGroup(HEAD, rows)
}

const HEAD = {
  id: 'followers',
  title: 'The KDC: followers of the revocation log',
  note:
    'A KDC with its store in memory, and all followers in a second process, each a principal with a connection and a ' +
    'channel of its own. A revocation is timed from its answer to the last follower that has opened the entry, and to ' +
    'the moment when the KDC knows that all have applied it. CPU is that of the KDC: for the entry and its ' +
    'acknowledgement, and for the question of each follower that comes every 5 s. Memory is what the KDC took when all ' +
    'had connected, resident, divided by their number.',
  columns: [
    { key: 'last', title: 'the last has it, ms', better: 'less' },
    { key: 'applied', title: 'known of all, ms', better: 'less' },
    { key: 'cpu', title: 'CPU, µs a follower and entry', better: 'less' },
    { key: 'alive', title: 'CPU, µs a question', better: 'less' },
    { key: 'memory', title: 'KiB a follower', better: 'less' },
  ],
  main: 'last',
} as const

function measureCount(count: number, { rounds }: Settings): Promise<MeasuredRow> {
  return withChildren(['./exchanges/kdc-process.js', './followers/load-process.js'], async (...processes) => {
    const [kdc, load] = processes as [Child, Child]
    // One client more, which follows nothing, to be revoked again and again.
    const order = { clients: count + 1, services: 0, connections: 2 * count + 1_000 }
    const started = await kdc.ask<StartedKdc>('start', order, PATIENCE)
    const before = await kdc.ask<number>('memory')
    await load.ask('connect', { ...started, count }, PATIENCE)
    const memory = ((await kdc.ask<number>('memory', undefined, PATIENCE)) - before) / 1024 / count
    // The first revocation also compiles what the others run.
    await measureRound(kdc, load, count)
    const samples: Sample[] = []
    for (let round = 0; round < rounds; round++) {
      samples.push({ ...(await measureRound(kdc, load, count)), memory })
    }
    return { head: { id: `followers.${count}`, name: `${count.toLocaleString('en')} followers` }, samples }
  })
}

async function measureRound(kdc: Child, load: Child, count: number): Promise<Sample> {
  const before = await kdc.cpu()
  const { seq, answeredAt, appliedAt } = await kdc.ask<Revocation>('revoke', clientName(count), PATIENCE)
  const revoked = await kdc.cpu()
  const lastAt = await load.ask<number>('lastOf', seq)
  await load.ask('askAll', undefined, PATIENCE)
  const asked = await kdc.cpu()
  return {
    last: lastAt - answeredAt,
    applied: appliedAt - answeredAt,
    cpu: (revoked - before) / count,
    alive: (asked - revoked) / count,
  }
}

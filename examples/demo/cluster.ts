import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, OrthrusError, silentLogger } from 'orthrus/client'
import type { LoadReport } from './cluster-load.js'
import { atEnd, demonstrate, require, say } from './demonstration.js'
import { Members, requireEtcd } from './members.js'
import { orthrus, Party, startCommand } from './processes.js'

/**
 * `npm run demo:cluster`: three KDCs on three members of etcd, a service and ten clients under load. A KDC is killed, then the
 * member that leads etcd, and no call fails. Each step says what happened, and how long new tickets took. The
 * demonstration fails if any step goes otherwise. It needs `etcd`.
 */

const REALM = 'demo.example'
/** For how long each step is watched, milliseconds. */
const WATCHED = 5_000
/** The longest that a new ticket may take while a KDC or the leader is away, milliseconds. */
const TICKET_WITHIN = 4_000

interface Kdc {
  readonly url: string
  readonly kill: () => Promise<void>
}

async function startKdcs(folder: string, store: string): Promise<Kdc[]> {
  const kdcs: Kdc[] = []
  for (const place of ['one', 'two', 'three']) {
    // On machines of their own each has a folder of its own, with a copy of the master key.
    const args = [
      'kdc',
      '--store',
      store,
      '--listen',
      '127.0.0.1:0',
      '--audit-directory',
      join(folder, `audit-${place}`),
    ]
    const { told, stop, kill } = await startCommand<{ url: string }>(folder, args)
    atEnd(stop)
    kdcs.push({ url: told.url, kill })
  }
  return kdcs
}

/** What the load came to while something went on. */
async function during(load: Party, task: () => Promise<void>): Promise<LoadReport> {
  await load.ask<LoadReport>({})
  await task()
  await sleep(WATCHED)
  const report = await load.ask<LoadReport>({})
  require(report.failures.length === 0, 'no call that failed', report.failures.slice(0, 3))
  require(report.longest <= TICKET_WITHIN, `new tickets within ${TICKET_WITHIN} ms`, report.longest)
  return report
}

/** The code with which this KDC refuses a login. */
async function refusalOf(kdc: string, keytab: string): Promise<string> {
  const realm = await connect({ kdc, keytab, logger: silentLogger })
  try {
    await realm.getTgt()
    return 'none'
  } catch (error) {
    return error instanceof OrthrusError ? error.code : String(error)
  } finally {
    realm.close()
  }
}

function told({ calls, tickets, longest }: LoadReport): string {
  return `${calls} calls, none failed; ${tickets} new tickets, the slowest after ${Math.round(longest)} ms`
}

await demonstrate(async folder => {
  requireEtcd()
  const members = await Members.start(folder)
  atEnd(() => members.stop())
  say(`three members of etcd run; ${await members.leader()} leads`)
  const store = members.storeOf(REALM)
  await orthrus(folder, ['init', REALM, '--store', store])
  const kdcs = await startKdcs(folder, store)
  const urls = kdcs.map(({ url }) => url)
  say(`realm ${REALM} was made there; three KDCs serve it: ${urls.join(', ')}`)
  const admin = (...args: string[]) =>
    orthrus(folder, [
      'admin',
      ...args,
      '--kdc',
      urls.join(','),
      '--keytab',
      join('orthrus-data', 'admin.keytab'),
    ])
  await admin('add', 'web', 'orders', 'stranger')
  await admin('allow', 'web', 'orders')
  const [load] = await Party.start(folder, './cluster-load.js', [
    'orders.keytab',
    'web.keytab',
    urls.join(','),
  ])
  atEnd(() => load.stop())
  say('orders serves, and ten clients call it and ask for a new ticket each, over and over')
  say(`nothing is wrong: ${told(await during(load, async () => {}))}`)

  const [first, ...left] = kdcs as [Kdc, Kdc, Kdc]
  say(`the KDC at ${first.url} is killed: ${told(await during(load, first.kill))}`)

  const leader = await members.leader()
  const killed = await during(load, () => members.kill(leader ?? ''))
  say(`${leader}, which leads etcd, is killed too: ${told(killed)}; ${await members.leader()} leads now`)

  const began = performance.now()
  await admin('disable', 'stranger')
  const took = Math.round(performance.now() - began)
  for (const { url } of left) {
    const code = await refusalOf(url, join(folder, 'stranger.keytab'))
    require(code === 'principal_disabled', 'a refusal of both KDCs that are left', code)
  }
  say(`stranger is disabled, which took ${took} ms to be true everywhere: both KDCs that are left refuse it`)
})

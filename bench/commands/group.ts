import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { clientName, type StartedKdc, serviceName } from '../exchanges/realm.js'
import { type Group, makeGroup, type RowHead, type Sample, summarize } from '../figures.js'
import { createAuthority, createIdentity } from '../first-call/certificate.js'
import type { Ports } from '../first-call/service-process.js'
import { type Child, withChildren } from '../processes.js'
import type { Settings } from '../settings.js'
import { endedCpu, runProcess } from './run-process.js'

/** Whole processes: what a command takes, and what a program takes until it has imported the package. */

const COUNT = { NORMAL: 5, QUICK: 1 } as const
const SERVERS = ['./exchanges/kdc-process.js', './first-call/service-process.js']

interface Plan {
  readonly head: RowHead
  /** What follows `node`. */
  readonly args: readonly string[]
}

export function measureCommands(settings: Settings): Promise<Group> {
  return withChildren(SERVERS, async (...[kdc, service]) => {
    const folder = mkdtempSync(join(tmpdir(), 'orthrus-bench-'))
    const sweep = () => rmSync(folder, { recursive: true, force: true })
    process.once('exit', sweep)
    try {
      return await measureAll(await plansWith(folder, kdc as Child, service as Child), settings)
    } finally {
      process.off('exit', sweep)
      sweep()
    }
  })
}

async function plansWith(folder: string, kdc: Child, service: Child): Promise<Plan[]> {
  const { url, keytab } = await kdc.ask<StartedKdc>('start', { clients: 1, services: 1 })
  const ca = createAuthority()
  const tls = { authority: ca.identity.certificate, identity: createIdentity(ca, 'service') }
  const { orthrus } = await service.ask<Ports>('start', { keytab, service: serviceName(0), ...tls })
  const file = join(folder, 'bench.keytab')
  writeFileSync(file, keytab, { mode: 0o600 })
  const login = ['--kdc', url, '--keytab', file, '--principal', clientName(0)]
  const command = new URL('../../cli/bin.cjs', import.meta.url).pathname
  const call = [`http://127.0.0.1:${orthrus}/orders/7`, '--service', serviceName(0), ...login]
  return [
    { head: headOf('none', 'node -e 0', true), args: ['-e', '0'] },
    { head: headOf('client', 'import of orthrus/client'), args: importing('client') },
    { head: headOf('service', 'import of orthrus/service'), args: importing('service') },
    { head: headOf('version', 'orthrus --version'), args: [command, '--version'] },
    { head: headOf('get', 'orthrus get, a ticket'), args: [command, 'get', serviceName(0), ...login] },
    { head: headOf('call', 'orthrus call, to its answer'), args: [command, 'call', ...call] },
  ]
}

function headOf(id: string, name: string, peer = false): RowHead {
  return { id: `process.${id}`, name, ...(peer ? { peer } : { beside: 'process.none' }) }
}

function importing(entry: string): string[] {
  const url = new URL(`../../${entry}/index.js`, import.meta.url).href
  return ['--input-type=module', '-e', `import ${JSON.stringify(url)}`]
}

const HEAD = {
  id: 'processes',
  title: 'Whole processes',
  note:
    'Each is started, and its end awaited, one after another: what it is loaded from the system has in memory. KDC and ' +
    `service run already. Elapsed is the median of ${COUNT.NORMAL} a round, and CPU, of that process alone, their mean.`,
  columns: [
    { key: 'elapsed', title: 'elapsed, ms', better: 'less' },
    { key: 'cpu', title: 'CPU, ms', better: 'less' },
  ],
  main: 'elapsed',
} as const

async function measureAll(plans: readonly Plan[], settings: Settings): Promise<Group> {
  const rows = plans.map(plan => ({ ...plan, samples: [] as Sample[] }))
  const count = settings.quick ? COUNT.QUICK : COUNT.NORMAL
  // One round more, to warm up.
  for (let round = settings.quick ? 0 : -1; round < settings.rounds; round++) {
    for (const { args, samples } of rows) {
      const sample = await measurePlan(args, count)
      if (round >= 0) samples.push(sample)
    }
  }
  return makeGroup(HEAD, rows)
}

async function measurePlan(args: readonly string[], count: number): Promise<Sample> {
  const before = endedCpu()
  const times: number[] = []
  for (let i = 0; i < count; i++) times.push(await runProcess(args))
  const elapsed = summarize(times).median
  const after = endedCpu()
  if (before === undefined || after === undefined) return { elapsed }
  return { elapsed, cpu: (after - before) / count }
}

import { availableParallelism, cpus, loadavg } from 'node:os'
import { MINUTE } from '../shared/time.js'
import type { Group, Report } from './figures.js'
import { GROUPS, whyLeftOut } from './groups.js'
import { type Child, withChildren } from './processes.js'
import { readOrder, type Settings } from './settings.js'
import { formatReport } from './table.js'

/**
 * `npm run bench`: what Orthrus costs, compared with alternatives (docs/performance.md). Options: `--json` for
 * machines, `--markdown` for the document, `--quick` to check that it runs, `--full` with a million principals,
 * `--only` with the names of some groups, `--node PATH` for each further version of Node.
 */

/** The time limit of one group, milliseconds. */
const DEADLINE = { NORMAL: 3 * MINUTE, FULL: 30 * MINUTE } as const

async function run(settings: Settings, only: readonly string[]): Promise<Report> {
  const unknown = only.find(name => !GROUPS.has(name))
  if (unknown !== undefined) throw new TypeError(`there is no group ${unknown}`)
  const [begin, [load = 0]] = [performance.now(), loadavg()]
  const groups: Group[] = []
  for (const name of GROUPS.keys()) {
    if (only.length > 0 && !only.includes(name)) continue
    const leftOut = whyLeftOut(name, settings)
    if (leftOut !== undefined) console.error(`${name} is left out: ${leftOut}`)
    else groups.push(await measureGroup(name, settings))
  }
  const { rounds, quick, full } = settings
  return {
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cores: availableParallelism(),
    processor: cpus()[0]?.model ?? 'unknown',
    load,
    rounds,
    quick,
    full,
    seconds: (performance.now() - begin) / 1000,
    groups,
  }
}

async function measureGroup(name: string, settings: Settings): Promise<Group> {
  const begin = performance.now()
  const deadline = settings.full ? DEADLINE.FULL : DEADLINE.NORMAL
  const order = { name, settings }
  const group = await withChildren(['./group-process.js'], (child: Child) =>
    child.ask<Group>('measure', order, deadline),
  )
  console.error(`${name}: ${((performance.now() - begin) / 1000).toFixed(1)} s`)
  return group
}

try {
  const { settings, output, only } = readOrder(process.argv.slice(2))
  const report = await run(settings, only)
  console.log(output === 'json' ? JSON.stringify(report) : formatReport(report, output))
} catch (cause) {
  console.error(cause)
  process.exitCode = cause instanceof TypeError ? 2 : 1
}

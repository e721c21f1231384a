import { readFile } from 'node:fs/promises'
import { describe, expect, it, onTestFailed, onTestFinished } from 'vitest'
import { temporaryFolder } from '../end-to-end/processes.js'
import { drive, type Outcome, type Plan } from './drive.js'
import { hasEtcdCluster } from './etcd-cluster.js'
import { ofKind, type Rule } from './history.js'
import { actsOf } from './schedule.js'
import { KDCS, SERVICES } from './world.js'

/**
 * Three KDCs over three members of a real etcd, with clients, services and administrators, under faults that a seed
 * draws: what is promised of a cluster holds (docs/testing.md).
 */

const slow = process.env.ORTHRUS_SLOW === '1'
const { ORTHRUS_CLUSTER_SEED, ORTHRUS_CLUSTER_SECONDS, ORTHRUS_CLUSTER_ACTS } = process.env
const until = (process.env.ORTHRUS_CLUSTER_UNTIL?.split('|') as Rule[] | undefined) ?? 'anything'
const only = ORTHRUS_CLUSTER_ACTS?.split('|')
const MINUTE = 60_000

async function driven(plan: Omit<Plan, 'folder' | 'only' | 'tell'>): Promise<Outcome> {
  const { seed } = plan
  const { folder, remove } = await temporaryFolder('orthrus-cluster-')
  onTestFinished(remove)
  console.log(`the cluster: ORTHRUS_CLUSTER_SEED=${seed}`)
  const lines: string[] = []
  const tell = (line: string): void => {
    if (only === undefined) lines.push(line)
    else console.log(line)
  }
  onTestFailed(() => console.log(lines.join('\n')))
  const outcome = await drive({ ...plan, folder, only, tell })
  const { violations } = outcome
  if (violations.length > 0) {
    const rules = [...new Set(violations.map(({ rule }) => rule))]
    for (const rule of rules) {
      const those = violations.filter(violation => violation.rule === rule)
      for (const { says } of those.slice(0, 6))
        console.log(`VIOLATION: ${rule} (1 of ${those.length}): ${says}`)
    }
    for (const name of [...KDCS, ...SERVICES]) {
      const log = await readFile(`${folder}/${name}.log`, 'utf8').catch(() => '')
      // What is refused because it was taken away is most of it, and as it should be.
      const told = log
        .split('\n')
        .filter(line => !/ticket issued|administration|request (refused|failed)|refusals/.test(line))
      console.log(`${name}\n${told.slice(-60).join('\n')}`)
    }
  }
  return outcome
}

function drawn(): number {
  return (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) % 1_000_000
}

const seed = ORTHRUS_CLUSTER_SEED === undefined ? drawn() : Number(ORTHRUS_CLUSTER_SEED)
/** Of the short run, which does a part of the acts, milliseconds. */
const length = Number(ORTHRUS_CLUSTER_SECONDS ?? 18) * 1_000

describe.runIf(hasEtcdCluster)('a cluster under faults', () => {
  it('keeps what it promises', { timeout: 3 * MINUTE + 2 * length }, async () => {
    const { violations, history } = await driven({ seed, length, until, isShort: true })
    expect(violations).toEqual([])
    // It was tried at all.
    const count = (kind: string): number => history.filter(one => one.kind === kind).length
    expect(count('ask')).toBeGreaterThan(100)
    expect(count('call')).toBeGreaterThan(100)
  })

  it.runIf(slow)(
    'keeps it for five minutes, in which each act comes once at the least',
    { timeout: 15 * MINUTE },
    async () => {
      const { violations, history } = await driven({ seed: seed + 1, length: 5 * MINUTE })
      expect(violations).toEqual([])
      // What was stolen is shown to services, which take it until they hear that it is revoked.
      const stolen = ofKind(history, 'call').filter(({ isHonest }) => !isHonest)
      expect(stolen.map(({ outcome }) => outcome)).toEqual(expect.arrayContaining(['accepted', 'revoked']))
      const done = new Set(ofKind(history, 'act').map(({ name }) => name))
      expect([...done].sort()).toEqual(
        actsOf({ only })
          .map(([name]) => name)
          .sort(),
      )
    },
  )

  it.runIf(slow).each(Array.from({ length: 10 }, (_, n) => n + 2))(
    'keeps it with another seed: %i',
    { timeout: 10 * MINUTE },
    async n => {
      expect((await driven({ seed: seed + n, isShort: true })).violations).toEqual([])
    },
  )
})

import { afterAll, describe, expect, it } from 'vitest'
import { FaultTable, FaultyCopy, placesOf } from '../deliberate-faults.js'
import { hasEtcdCluster } from './etcd-cluster.js'
import { FAULTS } from './faults.js'

/**
 * The driver finds faults: each is put into a copy of the sources, one at a time. In the slow set;
 * `ORTHRUS_CLUSTER_FAULT=acknowledged` runs those that have this in their names.
 */

const TEST = 'test/cluster/cluster.test.ts'
/** Of one run: it ends with the first thing that the fault is to show by. */
const SECONDS = '90'
const TIMEOUT = 600_000

const copy = new FaultyCopy()
afterAll(() => copy.remove())

const chosen = process.env.ORTHRUS_CLUSTER_FAULT
const faults = FAULTS.filter(({ name }) => chosen === undefined || name.includes(chosen))

it.each(FAULTS.map(fault => [fault.name, fault] as const))('it can be made so that %s', async (_, fault) => {
  expect(await placesOf(fault)).toBe(1)
  expect(fault.to).not.toBe(fault.from)
  if (fault.and !== undefined) expect(await placesOf(fault.and)).toBe(1)
})

describe.runIf(hasEtcdCluster && (process.env.ORTHRUS_SLOW === '1' || chosen !== undefined))(
  'the driver of the cluster',
  { timeout: TIMEOUT },
  () => {
    const table = new FaultTable()
    afterAll(() => table.print())

    it.each(faults.map(fault => [fault.name, fault] as const))('notices that %s', async (_, fault) => {
      const began = performance.now()
      const { passed, output } = await copy.run(fault, TEST, {
        ORTHRUS_CLUSTER_SEED: '1',
        ORTHRUS_CLUSTER_SECONDS: SECONDS,
        ORTHRUS_CLUSTER_ACTS: fault.acts.join('|'),
        ORTHRUS_CLUSTER_UNTIL: fault.says.join('|'),
      })
      const seen = new Set([...output.matchAll(/VIOLATION: (.+?) \(1 of/g)].map(([, rule]) => rule))
      const found = [...seen].filter(rule => fault.says.some(said => said === rule))
      table.add(fault, found.join(', ') || undefined, began)
      expect(passed, output).toBe(false)
      expect(found, output).not.toEqual([])
    })
  },
)

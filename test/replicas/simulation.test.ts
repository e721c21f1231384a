import { randomInt } from 'node:crypto'
import { expect, it } from 'vitest'
import { simulateReplicas } from './simulate.js'

/**
 * `ORTHRUS_REPLICAS_SEED=17 npx vitest run --config test/vitest.config.ts test/replicas` begins with the run of seed 17;
 * `ORTHRUS_REPLICAS_RUNS` says how many runs there are.
 */

// Of single runs every ninth has no act of administration that is done at once, so two of them had none now and then.
const SLOW = process.env.ORTHRUS_SLOW === '1'
const RUNS = Number(process.env.ORTHRUS_REPLICAS_RUNS ?? (SLOW ? 300 : 6))
const STEPS = 250
const FIRST = Number(process.env.ORTHRUS_REPLICAS_SEED ?? randomInt(1, 2 ** 31))

it('what was acknowledged as taken away is granted by no KDC', { timeout: 1_500_000 }, async () => {
  console.log(`replicas: seeds ${FIRST} to ${FIRST + RUNS - 1}: ORTHRUS_REPLICAS_SEED=${FIRST}`)
  const all = new Map<string, number>()
  for (let seed = FIRST; seed < FIRST + RUNS; seed++) {
    for (const [what, times] of await simulateReplicas(seed, STEPS))
      all.set(what, (all.get(what) ?? 0) + times)
  }
  if (SLOW)
    console.log(
      [...all]
        .sort()
        .map(([what, times]) => `${what}: ${times}`)
        .join('\n'),
    )
  const least = {
    'AS: reply': 5,
    'TGS: reply': 3,
    'AS: 05 unavailable': 1,
    'administration: at once': 0,
  }
  for (const [what, times] of Object.entries(least)) expect(all.get(what) ?? 0, what).toBeGreaterThan(times)
})

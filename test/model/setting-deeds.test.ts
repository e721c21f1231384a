import { expect, it } from 'vitest'
import { createTestClock } from '../../testing/index.js'
import { Random } from '../support/random.js'
import { Attacker } from './attacker.js'
import { ALICE, ORDERS } from './cast.js'
import type { Run } from './deed.js'
import { prepareRealm } from './kdc.js'
import { restart } from './setting-deeds.js'
import { Tally } from './tally.js'
import { World } from './world.js'

/** What the model may do to the parties: no more than docs/protocol.md lets happen. */

async function startRun(): Promise<Run> {
  const prepared = await prepareRealm(createTestClock(), new Random(1, 'model').bytes)
  const world = await World.start(prepared, 1, new Tally())
  return { world, attacker: await Attacker.start(world), imported: [], borrowers: [] }
}

/** What alice would send to orders; the network keeps it. */
async function letterTo(service: string, { world }: Run) {
  const alice = world.parties.get(ALICE)
  if (alice === undefined) throw new Error('alice is not there')
  const op = world.send(alice.client, { service, method: 'GET', target: '/orders', body: '' })
  for (let i = 0; i < 10; i++) {
    await world.settle()
    const waiting = world.waiting.of(op)
    if (waiting?.kind === 'http') return waiting.letter
    if (waiting !== undefined) await world.carry(waiting)
  }
  throw new Error('alice sends nothing')
}

it('a service never starts below what it admitted, even if it refused that at a later step', async () => {
  const run = await startRun()
  const { world } = run
  const letter = await letterTo(ORDERS, run)
  const altered = { ...letter, target: '/orders/7' }
  expect((await world.present(ORDERS, altered)).refused?.code).toBe('binding_mismatch')
  expect(await restart(run, ORDERS, 1_000)).toBe(false)
  expect(await restart(run, ORDERS, 999)).toBe(true)
  world.pass(6_000)
  expect((await world.present(ORDERS, letter)).refused?.code).toBe('clock_skew')
})

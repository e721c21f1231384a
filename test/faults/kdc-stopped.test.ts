import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startKdc } from '../end-to-end/processes.js'
import { seededChance } from '../support/chance.js'
import { administer, type FaultRealm, makeRealm } from '../support/folder-realm.js'
import { changeUntilGone } from './administrators.js'
import { askUntilGone } from './clients.js'
import { Ledger, stored } from './ledger.js'
import { readStored, requireSound, statesOf } from './stored.js'

/**
 * A KDC that is told to stop during its work. Unlike one that is killed it answers what it has begun, so whatever was
 * not answered must not have been done either.
 */

const slow = process.env.ORTHRUS_SLOW === '1'
const ROUNDS = slow ? 20 : 2
const OPERATORS = ['operator/0', 'operator/1', 'operator/2']
const CLIENTS = ['web/0', 'web/1']
/**
 * Milliseconds from an answer to the signal; and how long closing waits for what is under way (5 s), and the end of a
 * process on a busy machine.
 */
const DELAY_MAX = 10
const TIME = 5_000 + 5_000

let realm: FaultRealm
beforeEach(async () => {
  realm = await makeRealm([...OPERATORS, ...CLIENTS, 'orders'], [['web/*', 'orders']])
})
afterEach(() => realm.remove())

const namesOf = (operator: string) => [0, 1, 2, 3].map(i => `p${i}-of-${operator.replace('/', '-')}`)
const NAMES = OPERATORS.flatMap(namesOf)

/** The administration that the KDC says, in its log, to have done. */
function done(log: string): number {
  const lines = log.split('\n').filter(line => line.includes('"msg":"administration"'))
  return lines.filter(line => !/"method":"(?:list|show|policy)"/.test(line)).length
}

describe('a KDC told to stop', () => {
  it('answers each change that it makes, makes no other change, and ends in order', async () => {
    const chance = seededChance('stops of the KDC')
    const ledger = new Ledger()
    const asked = { as: 0, tgs: 0 }
    for (let round = 0; round < ROUNDS; round++) {
      const before = ledger.acknowledged
      const kdc = await startKdc(realm.folder)
      const exited = once(kdc.child, 'exit')
      const administrators = await Promise.all(OPERATORS.map(name => administer(realm, kdc.url, name)))
      let stopped: number | undefined
      const isGone = () => stopped !== undefined
      const stop = (): void => {
        stopped = performance.now()
        kdc.child.kill('SIGTERM')
      }
      const delay = chance.below(DELAY_MAX)
      ledger.afterAcknowledging(10 + chance.below(20), () => setTimeout(stop, delay))
      await Promise.all([
        ...administrators.map(({ administration }, i) => {
          const names = namesOf(OPERATORS[i] as string)
          return changeUntilGone(administration, { chance, ledger, keytabs: new Map(), names }, isGone)
        }),
        ...CLIENTS.map(name => askUntilGone(realm, kdc.url, name, { service: 'orders', isGone, asked })),
      ])
      expect(await exited).toEqual([0, null])
      expect(performance.now() - (stopped ?? 0)).toBeLessThan(TIME)
      for (const { close } of administrators) close()
      expect(done(kdc.log()), 'changes logged and answered').toBe(ledger.acknowledged - before)
      expect(existsSync(join(realm.data, 'db/REST')), 'closed in order').toBe(true)
      const found = await readStored(realm.data)
      requireSound(found, undefined)
      for (const change of ledger.unanswered) ledger.refused(change)
      ledger.require(statesOf(found, NAMES), stored)
    }
    expect(asked.tgs).toBeGreaterThan(0)
  }, 600_000)

  it('a second time, as Ctrl-C under npm does, still ends in order', async () => {
    const kdc = await startKdc(realm.folder)
    const exited = once(kdc.child, 'exit')
    const socket = await connectUnmoved(kdc.url)
    kdc.child.kill('SIGINT')
    await untilRefused(kdc.url)
    kdc.child.kill('SIGINT')
    socket.destroy()
    expect(await exited).toEqual([0, null])
    expect(existsSync(join(realm.data, 'db/REST')), 'closed in order').toBe(true)
  })

  it.runIf(slow)('waits a limited time for a peer that neither reads nor leaves', async () => {
    const kdc = await startKdc(realm.folder)
    const socket = await connectUnmoved(kdc.url)
    const begun = performance.now()
    expect(await kdc.end('SIGTERM')).toBe(0)
    expect(performance.now() - begun).toBeLessThan(TIME)
    socket.destroy()
  })
})

/** A WebSocket whose client reads nothing and does not answer a close. */
async function connectUnmoved(url: string): Promise<Socket> {
  const { port } = new URL(url)
  const socket = connectTcp(Number(port), '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write(
    `GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: orthrus.v1\r\n\r\n',
  )
  const [head] = await once(socket, 'data')
  expect(String(head)).toMatch(/^HTTP\/1\.1 101 /)
  return socket.pause()
}

/** The first thing that a KDC does when it is told to stop. */
async function untilRefused(url: string): Promise<void> {
  for (;;) {
    const socket = connectTcp(Number(new URL(url).port), '127.0.0.1')
    const connected = await once(socket, 'connect').then(
      () => true,
      () => false,
    )
    socket.destroy()
    if (!connected) return
  }
}

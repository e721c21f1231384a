import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { Administration } from '../../client/administration.js'
import { connect } from '../../client/connect.js'
import { openKdcChannel } from '../../client/kdc-channel.js'
import { patternIn } from '../../shared/pattern.js'
import { parseRealm, principalIn } from '../../shared/principal.js'
import { orthrus, startKdc, temporaryFolder } from './processes.js'

const realm = parseRealm('demo.example')
const ROUNDS = process.env.ORTHRUS_SLOW === '1' ? 50 : 4

let folder = ''
let remove = async (): Promise<void> => {}
beforeEach(async () => {
  ;({ folder, remove } = await temporaryFolder())
  expect((await orthrus(folder, 'init', realm)).code).toBe(0)
})
afterEach(() => remove())

async function administer(url: string) {
  const client = await connect({ kdc: url, keytab: join(folder, 'orthrus-data/admin.keytab') })
  return { administration: new Administration(await openKdcChannel(client)), close: () => client.close() }
}

/** What the database must hold: state by name, and which of them nobody knows, since no answer came. */
interface Ledger {
  readonly acknowledged: Map<string, 'enabled' | 'disabled' | 'removed'>
  readonly rules: Set<string>
  unanswered: string | undefined
}

/** Changes, one after the other, until the KDC is gone. */
async function change(administration: Administration, round: number, ledger: Ledger): Promise<void> {
  for (let i = 0; ; i++) {
    const name = `p${round}-${i}`
    const principal = principalIn(realm, name)
    ledger.unanswered = name
    await administration.add({ principal, password: null, expiresAt: null, maxLife: null, maxRenew: null })
    ledger.acknowledged.set(name, 'enabled')
    const [client, service] = [patternIn(realm, name), patternIn(realm, 'orders')]
    const grants = { claims: [], maxLife: null, methods: null, paths: null, delegable: false }
    await administration.setRule({ client, service, effect: 'allow', ...grants })
    ledger.rules.add(client)
    if (i % 3 === 1) {
      await administration.disable(principal)
      ledger.acknowledged.set(name, 'disabled')
    } else if (i % 3 === 2) {
      await administration.remove(principal)
      ledger.acknowledged.set(name, 'removed')
    }
  }
}

async function requireLedger(administration: Administration, ledger: Ledger): Promise<void> {
  const { acknowledged, rules, unanswered } = ledger
  const found = new Map<string, 'enabled' | 'disabled'>()
  for await (const { principal, disabled } of administration.list()) {
    found.set(principal.split('@')[0] as string, disabled ? 'disabled' : 'enabled')
  }
  // Its next change may have been written before the answer was cut off; whichever it is, it stays from now on.
  if (unanswered !== undefined) acknowledged.set(unanswered, found.get(unanswered) ?? 'removed')
  ledger.unanswered = undefined
  for (const [name, state] of acknowledged) {
    expect([name, found.get(name) ?? 'removed']).toEqual([name, state])
  }
  const stored = new Set<string>()
  for await (const { client } of administration.policy()) stored.add(client)
  expect([...rules].filter(client => !stored.has(client))).toEqual([])
}

it(`a KDC killed with -9 amid changes comes back with each that it acknowledged, ${ROUNDS} times`, async () => {
  const ledger: Ledger = { acknowledged: new Map(), rules: new Set(), unanswered: undefined }
  for (let round = 0; round < ROUNDS; round++) {
    const kdc = await startKdc(folder)
    const { administration, close } = await administer(kdc.url)
    await requireLedger(administration, ledger)
    const before = ledger.acknowledged.size
    const killed = setInterval(() => {
      if (ledger.acknowledged.size >= before + 5 + (round % 7)) void kdc.end('SIGKILL')
    }, 1)
    await expect(change(administration, round, ledger)).rejects.toThrow(/channel_broken|unavailable/)
    clearInterval(killed)
    close()
    await kdc.end('SIGKILL')
  }
  const kdc = await startKdc(folder)
  const { administration, close } = await administer(kdc.url)
  await requireLedger(administration, ledger)
  expect(ledger.acknowledged.size).toBeGreaterThan(ROUNDS * 4)
  close()
  expect(await kdc.end('SIGTERM')).toBe(0)
}, 300_000)

import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Administration } from '../../client/channel/administration.js'
import { connect } from '../../client/connect.js'
import { spawnKdc, startKdc } from '../end-to-end/processes.js'
import { type Chance, seededChance } from '../support/chance.js'
import { administer, type FaultRealm, makeRealm } from '../support/folder-realm.js'
import { type Changing, changeUntilGone } from './administrators.js'
import { type Asked, askUntilGone } from './clients.js'
import { Ledger, listed, type PrincipalState, type State } from './ledger.js'
import { readStored, requireSound, type StoredRealm, shortOf, statesOf } from './stored.js'

/**
 * The KDC killed with -9 at any moment of its work. This proves that no acknowledgement comes before the system has the
 * change, and no change is made in part. A kill does not take away what the system had not yet put on the disk; for
 * that there is power-cut.test.ts.
 */

const ROUNDS = process.env.ORTHRUS_SLOW === '1' ? 50 : 2
const OPERATORS = ['operator/0', 'operator/1', 'operator/2']
const CLIENTS = ['web/0', 'web/1', 'web/2']
/** A kill comes after at most this many acknowledgements, and this many milliseconds. */
const ACKNOWLEDGED_MAX = 30
const DELAY_MAX = 20
/** Milliseconds; before a quarter of the rounds a KDC is killed while it starts. */
const START_MAX = 400

let realm: FaultRealm
beforeEach(async () => {
  realm = await makeRealm([...OPERATORS, ...CLIENTS, 'orders'], [['web/*', 'orders']])
})
afterEach(() => realm.remove())

function namesOf(operator: string): string[] {
  return Array.from({ length: 4 }, (_, i) => `p${i}-of-${operator.replace('/', '-')}`)
}

const NAMES = OPERATORS.flatMap(namesOf)

interface Life {
  readonly chance: Chance
  readonly ledger: Ledger
  readonly keytabs: Map<string, string>
  readonly asked: Asked
}

/** A KDC under load until the kill. */
async function liveAndDie(life: Life): Promise<void> {
  const kdc = await startKdc(realm.folder)
  const administrators = await Promise.all(OPERATORS.map(name => administer(realm, kdc.url, name)))
  await requireServed(kdc.url, administrators[0]?.administration as Administration, life)
  let gone = false
  const isGone = () => gone
  const changing: Promise<unknown>[] = administrators.map(({ administration }, i) => {
    const what: Changing = { ...life, names: namesOf(OPERATORS[i] as string) }
    return changeUntilGone(administration, what, isGone)
  })
  const { asked } = life
  const asking = CLIENTS.map(name => askUntilGone(realm, kdc.url, name, { service: 'orders', isGone, asked }))
  const kill = (): void => {
    gone = true
    kdc.child.kill('SIGKILL')
  }
  const delay = life.chance.below(DELAY_MAX)
  life.ledger.afterAcknowledging(1 + life.chance.below(ACKNOWLEDGED_MAX), () => setTimeout(kill, delay))
  try {
    await Promise.all([...changing, ...asking])
  } finally {
    gone = true
    await kdc.end('SIGKILL')
    for (const { close } of administrators) close()
  }
}

/** What the KDC says about all of it, and what it does for three of the names. */
async function requireServed(url: string, administration: Administration, life: Life): Promise<void> {
  const found = new Map<string, State>()
  for await (const { principal, kvnos, disabled, passwordBased } of administration.list()) {
    const name = shortOf(principal)
    if (!NAMES.includes(name)) continue
    const [life, kvno = 0] = [disabled ? 'disabled' : 'enabled', kvnos[0]] as const
    found.set(`principal ${name}`, { kind: 'principal', life, kvno, password: passwordBased, revoked: 0 })
  }
  for await (const { client, effect, maxLife } of administration.policy()) {
    const name = shortOf(client)
    if (NAMES.includes(name)) found.set(`rule ${name}`, { kind: 'rule', effect, maxLife })
  }
  life.ledger.require(found, listed)
  const names = [...life.keytabs.keys()]
  for (let i = 0; i < 3 && names.length > 0; i++) {
    await requireLogin(url, names.splice(life.chance.below(names.length), 1)[0] as string, life)
  }
}

const ANSWERS = { enabled: 'a ticket', disabled: 'principal_disabled', removed: 'auth_failed' } as const

async function requireLogin(url: string, name: string, { ledger, keytabs }: Life): Promise<void> {
  const { life } = ledger.of(`principal ${name}`) as PrincipalState
  const client = await connect({ kdc: url, keytab: { text: keytabs.get(name) as string } })
  const answer = await client.getTgt().then(
    () => 'a ticket',
    cause => cause.code as string,
  )
  client.close()
  expect([name, answer]).toEqual([name, ANSWERS[life]])
}

async function dieAtStart(chance: Chance): Promise<void> {
  const child = spawnKdc(realm.folder)
  const exited = once(child, 'exit')
  const kill = setTimeout(() => child.kill('SIGKILL'), chance.below(START_MAX))
  await exited
  clearTimeout(kill)
}

describe('a KDC killed with -9', () => {
  it('comes back with each change that it acknowledged, and with no other change in part', async () => {
    const chance = seededChance('kills of the KDC')
    const ledger = new Ledger()
    const life: Life = { chance, ledger, keytabs: new Map(), asked: { as: 0, tgs: 0 } }
    let before: StoredRealm | undefined
    let unanswered = 0
    for (let round = 0; round < ROUNDS; round++) {
      if (chance.below(4) === 0) await dieAtStart(chance)
      await liveAndDie(life)
      unanswered += ledger.unanswered.length
      const found = await readStored(realm.data)
      requireSound(found, before)
      ledger.settle(statesOf(found, NAMES))
      before = found
    }
    const kdc = await startKdc(realm.folder)
    const { administration, close } = await administer(realm, kdc.url)
    await requireServed(kdc.url, administration, life)
    close()
    expect(await kdc.end('SIGTERM')).toBe(0)
    console.log(
      `${ROUNDS} kills: ${ledger.acknowledged} changes acknowledged, ${unanswered} cut off; ${life.asked.as} AS and ${life.asked.tgs} TGS exchanges`,
    )
    expect(ledger.acknowledged).toBeGreaterThan(ROUNDS)
    expect(life.asked.tgs).toBeGreaterThan(0)
  }, 1_800_000)
})

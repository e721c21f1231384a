import type { OwnKeys } from '../../client/login/keytab-identity.js'
import { secretsOf } from '../../client/ticket/ticket.js'
import { decodeOwnKeys, decodeStagedKey } from '../../shared/administration/keys.js'
import { deriveNextKey, finishChain } from '../../shared/crypto/derive.js'
import type { KeytabEntry } from '../../shared/keytab/keytab.js'
import { KDC } from './cast.js'
import type { Kind, Run } from './deed.js'
import { obtain } from './honest-deeds.js'
import type { KdcTalk } from './kdc-talk.js'
import type { World } from './world.js'

/** Honest holders change their keys in place, and are interrupted at any step (docs/protocol.md section 12). */

/** After which step nothing more happens. */
export const INTERRUPTIONS = [
  'never',
  'never',
  'when the key is staged',
  'when it is written down',
  'when the proof is sent',
  'when the proof is answered',
] as const

type Interruption = (typeof INTERRUPTIONS)[number]

export const rotate: Kind<{ readonly name: string; readonly interrupted: Interruption }> = {
  name: 'a holder changes its key',
  async act(run, { name, interrupted }) {
    const { world } = run
    const talk = await openOwn(run, name)
    const current = talk && (await currentOf(talk))
    const held = world.keytab(name).find(({ kvno }) => kvno === current)
    if (talk === undefined || held === undefined) return false
    const next = await stage(talk, held)
    if (next === undefined || interrupted === 'when the key is staged') return next !== undefined
    // A candidate that was not shown is dead from now on: no kvno is used twice.
    const alive = world.keytab(name).filter(({ kvno }) => kvno <= held.kvno)
    world.writeKeytab(name, [next, ...alive])
    if (interrupted === 'when it is written down') return true
    const shown = await show(run, name, interrupted === 'when the proof is sent')
    if (!shown || interrupted !== 'never') return true
    world.tally.count('a key was changed in place')
    // A service opens tickets with the old ones until the last has ended.
    if (!world.hosts.has(name)) world.writeKeytab(name, [next])
    return true
  },
}

/** A channel of the holder, under a login that it makes now. */
async function openOwn(run: Run, name: string): Promise<KdcTalk | undefined> {
  const { world } = run
  const client = freshProcess(world, name)
  const ticket = await obtain(run, name, client.ticket(KDC))
  client.close()
  if (ticket === undefined) return undefined
  const { sealed, chain, caveats } = secretsOf(ticket)
  if (chain === undefined) return undefined
  const talk = await world.openTalk(name, { ticket: sealed, caveats, key: finishChain(chain) })
  if (talk !== undefined) world.talks.push({ talk, client: name })
  return talk
}

async function currentOf(talk: KdcTalk): Promise<number | undefined> {
  const answer = await talk.call('keys', [])
  if (answer === undefined || 'code' in answer) return undefined
  return decodeOwnKeys(answer.results).keys.find(({ state }) => state === 'current')?.kvno
}

async function stage(talk: KdcTalk, { principal, kvno, key }: KeytabEntry): Promise<KeytabEntry | undefined> {
  const answer = await talk.call('next-key', [kvno])
  if (answer === undefined || 'code' in answer) return undefined
  const staged = decodeStagedKey(answer.results)
  return { principal, kvno: staged.kvno, key: deriveNextKey(key, staged.salt) }
}

/** Logs in with the newest key. @returns whether the holder learns that it is current */
async function show(run: Run, name: string, unheard: boolean): Promise<boolean> {
  const { world } = run
  const client = freshProcess(world, name)
  const login = client.tgt()
  if (!unheard) {
    const done = (await obtain(run, name, login)) !== undefined
    client.close()
    return done
  }
  login.catch(() => {})
  await world.settle()
  const question = world.waiting.all.findLast(one => one.kind === 'kdc' && one.exchange.client === name)
  if (question?.kind === 'kdc') await world.askKdc(question.exchange.request)
  question?.drop()
  client.close()
  return false
}

/** It knows nothing but its keytab. */
function freshProcess(world: World, name: string) {
  return world.connect(world.keytab(name) as OwnKeys, name, world.clocks.of(name))
}

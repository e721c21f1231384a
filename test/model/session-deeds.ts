import { decodeKvno, decodeStagedKey } from '../../shared/administration/keys.js'
import { encodePasswordKey } from '../../shared/administration/principals.js'
import { TYPE } from '../../shared/constants.js'
import { deriveNextKey } from '../../shared/crypto/derive.js'
import { LongTermKey, revealKey } from '../../shared/crypto/keys.js'
import type { Value } from '../../shared/encoding/encoding.js'
import { messageType } from '../../shared/encoding/message.js'
import { parsePrincipal } from '../../shared/principal.js'
import type { PlainCaveat } from '../properties/model.js'
import { encodeAll } from '../properties/world.js'
import type { Power } from './attacker.js'
import { KDC } from './cast.js'
import { among, type Kind, type Run } from './deed.js'
import { drawPassword } from './kdc.js'
import { carrierTo, type KdcTalk } from './kdc-talk.js'
import { require } from './reference.js'

/** What the attacker does with sessions at the KDC: its own, stolen ones, and parts of tickets handed to it. */

export interface Calling {
  readonly method: string
  /** A principal that an administrator's method would be about. */
  readonly about: string
  /** How far the kvno that is told is from the current one. */
  readonly kvnoOff: number
}

interface Speaking extends Calling {
  readonly power: number
  readonly own: boolean
  readonly added: readonly PlainCaveat[]
  /** How far beyond the last moment at which the login counts as fresh, milliseconds; null for now. */
  readonly beyond: number | null
}

const FRESH = 5 * 60_000

export const speak: Kind<Speaking> = {
  name: 'the attacker talks with the KDC',
  async act(run, { power: which, own, added, beyond, ...calling }) {
    const { world, attacker } = run
    const powers = attacker.powers.filter(({ service }) => service === KDC)
    const mine = powers.filter(({ client }) => world.reference.mayLogIn(client) === own)
    const power = among(mine.length > 0 ? mine : powers, which)
    const issued = power && world.reference.tickets.get(power.id)
    if (power === undefined || issued === undefined) return false
    const wait = beyond === null ? 0 : issued.authTime + FRESH + beyond - world.kdc.clock.now()
    if (wait > 0) world.pass(wait)
    const shown = attacker.shown(power, encodeAll(added))
    const talk = await world.openTalk(undefined, shown)
    if (talk === undefined) return true
    world.talks.push({ talk, client: power.client })
    await useTalk(run, talk, power, calling)
    return true
  },
}

/** Calls, and makes what it can of the answer. */
export async function useTalk(
  run: Run,
  talk: KdcTalk,
  power: Power,
  { method, about, kvnoOff }: Calling,
): Promise<void> {
  const { world, attacker } = run
  const { client } = power
  const kvno = world.reference.keys.current(client) ?? 1
  const password = drawPassword(world.random)
  const args = method === 'new-password' ? encodePasswordKey(password) : undefined
  const answer = await talk.call(method, args ?? argumentsOf(method, Math.max(1, kvno + kvnoOff), about))
  if (answer === undefined || 'code' in answer) return
  if (method === 'new-password') {
    world.tally.count('the attacker sets a password')
    attacker.takeKey({
      principal: parsePrincipal(client),
      kvno: decodeKvno(answer.results),
      key: password.key,
    })
  }
  if (method !== 'next-key') return
  world.tally.count('the attacker has a key staged')
  const staged = decodeStagedKey(answer.results)
  const known = attacker.identities.filter(entry => entry.principal === client && entry.kvno === kvno)
  for (const { principal, key } of known) {
    attacker.takeKey({ principal, kvno: staged.kvno, key: deriveNextKey(key, staged.salt) })
  }
  // A session is no key: neither it nor what the KDC says leads to the key that was staged.
  const guesses = [
    new LongTermKey(staged.salt.slice()),
    deriveNextKey(new LongTermKey(revealKey(power.key).slice()), staged.salt),
  ]
  const asking = { services: [], lifetime: 0, renew: false, offset: 0 }
  // Of a host that the attacker enrolled, nobody has a keytab.
  const principal = parsePrincipal(client)
  for (const key of guesses) {
    await attacker.login({ principal, kvno: staged.kvno, key }, client, asking)
  }
}

function argumentsOf(method: string, kvno: number, about: string): readonly Value[] {
  if (['keys', 'alive', 'longest-life'].includes(method)) return []
  if (method === 'next-key') return [kvno]
  if (method === 'follow') return [null, null, null]
  if (method === 'seen') return [0]
  // It reads, so nothing but who calls is looked at: what changes something is refused once more where it is committed.
  if (method === 'due') return [null, 10]
  return [about]
}

export const speakAgain: Kind<Calling & { readonly which: number }> = {
  name: 'an open channel to the KDC is used again',
  async act({ world }, { which, method, about, kvnoOff }) {
    const open = world.talks.filter(({ talk }) => !talk.isOver)
    const one = among(open, which)
    if (one === undefined) return false
    const kvno = world.reference.keys.current(one.client) ?? 1
    await one.talk.call(method, argumentsOf(method, Math.max(1, kvno + kvnoOff), about))
    return true
  },
}

export const replayTalk: Kind<{ readonly which: number; readonly skipped: number }> = {
  name: 'a channel to the KDC is replayed',
  async act({ world }, { which, skipped }) {
    const seen = among(world.seenTalks, which)
    if (seen === undefined) return false
    const arrived: Uint8Array[] = []
    const { channel } = await world.kdc.open(seen.opening, carrierTo(arrived))
    for (const record of seen.records.slice(skipped)) await channel?.receive(record)
    world.judge.guarded(() => {
      const spoke = arrived.some(message => messageType(message) === TYPE.RECORD)
      require(!spoke, 'the KDC talked in a channel with who has no key for it')
    })
    return true
  },
}

import { secretsOf } from '../../client/ticket/ticket.js'
import { encodePasswordKey } from '../../shared/administration/principals.js'
import { encodeAll } from '../properties/world.js'
import { CAROL, KDC, KRBTGT } from './cast.js'
import type { Kind, Run } from './deed.js'
import { obtain } from './honest-deeds.js'
import { drawPassword } from './kdc.js'
import { openOwn } from './rotation-deeds.js'
import { type Calling, useTalk } from './session-deeds.js'
import { steal } from './setting-deeds.js'
import { readCaveat } from './view.js'

/** A person changes a password, and the attacker tries to, by sessions and by parts of tickets. */

export const change: Kind<object> = {
  name: 'a person changes a password',
  async act(run) {
    const { world } = run
    const client = world.connect(world.keytab(CAROL), CAROL, world.clocks.of(CAROL))
    try {
      const talk = await openOwn(run, CAROL, client)
      const password = drawPassword(world.random)
      const answer = await talk.call('new-password', encodePasswordKey(password))
      if (answer === undefined || 'code' in answer) return false
      const { principal } = world.key(CAROL)
      world.giveKey({ principal, kvno: world.reference.keys.current(CAROL) ?? 0, key: password.key })
      return true
    } catch {
      return false
    } finally {
      client.close()
    }
  },
}

interface Seizing extends Calling {
  readonly client: string
  /** How far beyond the last moment at which the login counts as fresh, milliseconds; null for now. */
  readonly beyond: number | null
}

const FRESH = 5 * 60_000

export const seize: Kind<Seizing> = {
  name: 'a fresh session is stolen and used at once',
  async act(run, { client, beyond, ...calling }) {
    const { world, attacker } = run
    // A login of this moment, by a process that knows nothing but its keytab.
    world.login(client)
    if (!(await steal(run, client, KDC))) return false
    const power = attacker.powers.findLast(one => one.client === client && one.service === KDC)
    if (power === undefined) return false
    const login = world.reference.tickets.get(power.id)?.authTime
    if (beyond !== null && login !== undefined)
      world.pass(Math.max(0, login + FRESH + beyond - world.kdc.clock.now()))
    await speakWith(run, power, calling)
    return true
  },
}

export const usePart: Kind<Omit<Seizing, 'beyond'>> = {
  name: 'a part of a fresh TGT is used at the KDC',
  async act(run, { client, ...calling }) {
    const { world, attacker } = run
    world.login(client)
    const tgt = await obtain(
      run,
      client,
      world.parties.get(client)?.client.tgt() ?? Promise.resolve(undefined),
    )
    const part = tgt?.attenuate({ services: [KDC] })
    if (part === undefined) return false
    world.secrets.keepTicket(part)
    const { sealed, caveats } = secretsOf(part)
    const issued = world.identify(sealed.bytes)
    if (issued === undefined) return false
    world.reference.hand({ ticket: issued, caveats: caveats.map(readCaveat), closed: false })
    const given = attacker.take(part.credential())
    if (given === undefined) return false
    await attacker.tgs(given, attacker.shown(given, []), {
      services: [KDC],
      lifetime: 0,
      renew: false,
      offset: 0,
    })
    const power = attacker.powers.findLast(one => one.client === client && one.service === KDC)
    const under = power && world.reference.tickets.get(power.id)?.under
    if (power === undefined || under?.ticket.service !== KRBTGT || under.caveats.length === 0) return false
    await speakWith(run, power, calling)
    return true
  },
}

async function speakWith(run: Run, power: Parameters<typeof useTalk>[2], calling: Calling): Promise<void> {
  const { world, attacker } = run
  const talk = await world.openTalk(undefined, attacker.shown(power, encodeAll([])))
  if (talk === undefined) return
  world.talks.push({ talk, client: power.client })
  await useTalk(run, talk, power, calling)
}

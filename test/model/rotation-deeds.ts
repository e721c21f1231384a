import { type KeyHolder, rotateHeldKey } from '../../client/rotation/rotate.js'
import { secretsOf } from '../../client/ticket/ticket.js'
import { resultsOf } from '../../shared/channel/calls.js'
import { finishChain } from '../../shared/crypto/derive.js'
import { OrthrusError } from '../../shared/errors.js'
import { formatKeytab, parseKeytab } from '../../shared/keytab/keytab.js'
import type { ChangingKeytab } from '../../shared/keytab/keytab-file.js'
import { KDC } from './cast.js'
import type { Kind, Run } from './deed.js'
import type { HonestClient } from './honest-client.js'
import { obtain } from './honest-deeds.js'
import { ownKeysOf, type World } from './world.js'

/** Honest holders change their keys in place, by the client's own code, and are interrupted at any step (section 12). */

/** After which step its process is gone. */
export const INTERRUPTIONS = [
  'never',
  'never',
  'never',
  'when the key is staged',
  'when it is written down',
  'when the proof is sent',
  'when the proof is answered',
] as const

type Interruption = (typeof INTERRUPTIONS)[number]

class Interrupted extends Error {}

export const rotate: Kind<{ readonly name: string; readonly interrupted: Interruption }> = {
  name: 'a holder changes its key',
  async act(run, { name, interrupted }) {
    const { world } = run
    const processes: HonestClient[] = []
    try {
      const holder = holderOf(run, name, interrupted, processes)
      const keytab = keytabOf(world, name, interrupted)
      const { kvno } = await rotateHeldKey(holder, { keytab, wanted: true })
      if (kvno !== undefined) world.tally.count('a key was changed in place')
    } catch (cause) {
      if (!(cause instanceof Interrupted || cause instanceof OrthrusError)) throw cause
      world.tally.count(
        cause instanceof Interrupted ? 'a change of key is interrupted' : 'a change of key fails',
      )
    } finally {
      for (const one of processes) one.close()
    }
    return true
  },
}

/** @param processes gets what is to be closed in the end */
function holderOf(run: Run, name: string, interrupted: Interruption, processes: HonestClient[]): KeyHolder {
  const { world } = run
  const fresh = (): HonestClient => {
    const client = world.connect(world.keytab(name), name, world.clocks.of(name))
    processes.push(client)
    return client
  }
  return {
    principal: world.key(name).principal,
    now: () => world.kdc.clock.now(),
    open: async () => {
      const talk = await openOwn(run, name, fresh())
      return {
        call: async (method, args) => {
          const answer = await talk.call(method, args)
          if (method === 'next-key' && interrupted === 'when the key is staged') throw new Interrupted()
          if (answer === undefined) throw new OrthrusError('channel_broken', 'the channel is over')
          return resultsOf(answer)
        },
        close: () => {},
      }
    },
    // A process that knows nothing but the keytab takes the newest key first.
    prove: async () => {
      if (interrupted === 'when the proof is sent') await sendUnheard(world, name, fresh())
      else if ((await obtain(run, name, fresh().tgt())) === undefined) {
        throw new OrthrusError('unavailable', 'the login was refused or lost')
      }
      if (interrupted.startsWith('when the proof')) throw new Interrupted()
    },
    hold: () => {},
  }
}

/** A keytab on a disk that keeps what is written, whatever comes of its process. */
function keytabOf(world: World, name: string, interrupted: Interruption): ChangingKeytab {
  return {
    path: `the keytab of ${name}`,
    requireChangeable: async () => {},
    change: async change => {
      const before = formatKeytab(world.keytab(name))
      const { text, result } = await change(before)
      if (text !== undefined) world.writeKeytab(name, ownKeysOf(parseKeytab(text)))
      if (interrupted === 'when it is written down') throw new Interrupted()
      return result
    },
  }
}

/** A channel of the holder, under a login that it makes now. @throws OrthrusError */
export async function openOwn(run: Run, name: string, client: HonestClient) {
  const { world } = run
  const ticket = await obtain(run, name, client.ticket(KDC))
  const { sealed, chain, caveats } = ticket ? secretsOf(ticket) : {}
  if (sealed === undefined || chain === undefined || caveats === undefined) {
    throw new OrthrusError('unavailable', 'no ticket for the KDC')
  }
  const talk = await world.openTalk(name, { ticket: sealed, caveats, key: finishChain(chain) })
  if (talk === undefined) throw new OrthrusError('unavailable', 'the KDC refuses the channel')
  world.talks.push({ talk, client: name })
  return talk
}

/** The KDC gets the login, and its answer is lost. */
async function sendUnheard(world: World, name: string, client: HonestClient): Promise<void> {
  client.tgt().catch(() => {})
  await world.settle()
  const question = world.waiting.all.findLast(one => one.kind === 'kdc' && one.exchange.client === name)
  if (question?.kind !== 'kdc') return
  await world.askKdc(question.exchange.request)
  question.drop()
}

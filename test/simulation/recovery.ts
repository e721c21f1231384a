import { OrthrusError } from '../../shared/errors.js'
import { HOUR, MINUTE, SECOND } from '../../shared/time.js'
import { requireJoined } from './joining.js'
import { askForKey, requireKeys } from './key-happenings.js'
import type { Asked } from './ledger.js'
import type { World } from './world.js'

/** Once clocks are right and the network is honest, nothing fails for ever, and few calls fail at all. */

/** The longest that a clock was ahead, and a little more, milliseconds. */
const LONGEST = 24 * HOUR

/** The longest pause of a client after it could not reach the KDC; until then it reports `unavailable`. */
const LONGEST_RETRY = 4 * SECOND

/** Sets everything right and checks that everybody is served. */
export async function recover(world: World): Promise<void> {
  const { network, ledger, services, clients, kdc, timeline } = world
  ledger.note('all clocks are right, and the network is honest')
  network.honest = true
  for (const clock of world.clocks) clock.set(0)
  if (!kdc.isUp) await kdc.start()
  for (const service of services) if (!service.isUp) world.startWhenAllowed(service)
  // A clock that went back far is waited for: the service answers `unavailable` until then (section 8, "The floor").
  const ready = (): boolean => services.every(({ isReady }) => isReady)
  const end = timeline.now + LONGEST
  while (!ready() && timeline.now < end) await timeline.pass(MINUTE)
  if (!ready()) ledger.violate('recovery: a service stays behind its floor')
  await timeline.pass(LONGEST_RETRY)
  for (const { name: client } of clients) {
    for (const { name: service } of services) await requireServed(world, client, service)
  }
  if (!world.settings.keysChange) return
  await requireJoined(world)
  await changeAllKeys(world)
  await requireKeys(world)
}

/** The longest until a key is changed that was asked for, with one failure for a clock that was set. */
const LONGEST_CHANGE = HOUR
const BETWEEN_CALLS = 2 * MINUTE

/** Everybody changes keys, the KDC too, and nobody notices. */
async function changeAllKeys(world: World): Promise<void> {
  const { clients, services, kdc, timeline, ledger } = world
  const holders = [...clients, ...services]
  const before = new Map<string, number>()
  for (const { name } of holders) before.set(name, await kdc.current(name))
  const left = async (): Promise<string[]> => {
    const names: string[] = []
    for (const { name } of holders) if ((await kdc.current(name)) === before.get(name)) names.push(name)
    return names
  }
  for (const { name } of holders) await askForKey(world, name)
  for (const name of ['krbtgt', 'kdc']) await kdc.rotate(name)
  const end = timeline.now + LONGEST_CHANGE
  const failed = new Map<string, number>()
  while ((await left()).length > 0 && timeline.now < end) {
    for (const { name: client } of clients) {
      for (const { name: service } of services) {
        const asked = await world.ask({
          client,
          service,
          kind: 'ok',
          repeatable: false,
          method: 'POST',
          body: 'pay',
          safe: false,
        })
        // A clock that was wrong before, and a ticket that ends too early by it, are learnt by refusals, which have
        // nothing to do with keys.
        const refusals = asked.heard.filter(refusal => !isAboutClocks(refusal))
        if (asked.told === '200' && refusals.length === 0) continue
        const pair = `${client} ${service}`
        const failures = failed.get(pair) ?? 0
        failed.set(pair, failures + 1)
        if (refusals.length === 0 && asked.heard.length > 0 && failures < FAILURES) continue
        ledger.violate(`rotation: #${asked.id} while keys changed: ${asked.told}, sent ${asked.sent.length}`)
      }
    }
    await timeline.pass(BETWEEN_CALLS)
  }
  const unchanged = await left()
  if (unchanged.length > 0) ledger.violate(`rotation: ${unchanged} did not change the key`)
}

/** A client that asks the KDC nothing meanwhile keeps a ticket that begins too late until it refreshes it. */
const SERVICE_LIFE = 20 * MINUTE
/** How often a call may fail first: once for a clock and once for a ticket, both of which were wrong before. */
const FAILURES = 2

/** A minute, and a quarter of it at random. */
const LONGEST_PAUSE = 1.25 * MINUTE

function isRemembered({ cause }: Asked): boolean {
  if (!(cause instanceof OrthrusError) || cause.facts.service !== undefined) return false
  return ['auth_failed', 'principal_disabled', 'rate_limited'].includes(cause.code)
}

function isAboutClocks(refusal: string): boolean {
  return refusal.startsWith('06 clock_skew') || refusal.startsWith('06 ticket_expired')
}

async function requireServed(world: World, client: string, service: string): Promise<void> {
  const { ledger, timeline } = world
  const about = { client, service, kind: 'ok', repeatable: false } as const
  const ask = (method: 'GET' | 'POST'): Promise<Asked> =>
    world.ask({ ...about, method, body: method === 'POST' ? 'pay' : '', safe: method === 'GET' })
  const first = world.network.random.chance(0.5) ? 'GET' : 'POST'
  const told: string[] = []
  const end = timeline.now + SERVICE_LIFE
  for (;;) {
    const asked = await ask(first)
    if (asked.told === '200') break
    told.push(asked.told ?? '')
    ledger.count(`on recovery: ${asked.told} (${asked.safe ? 'safe' : 'not safe'})`)
    // Tickets from a KDC that was ahead become valid in time, or are replaced before.
    const early = asked.told?.startsWith('ticket_not_yet_valid') === true && timeline.now < end
    const limited = asked.told === 'refused_unproved ticket_invalid'
    // A refusal of the KDC, or of somebody in its place, is remembered for a pause in which nothing is asked.
    const remembered = isRemembered(asked) && timeline.now < end
    if (early || limited) await timeline.pass(MINUTE)
    if (remembered) await timeline.pass(LONGEST_PAUSE)
    if (early || remembered) told.pop()
    if (told.length > FAILURES) {
      ledger.violate(`recovery: ${client} is not served by ${service}: ${told.join('; ')}`)
      return
    }
  }
  for (const method of ['GET', 'POST'] as const) {
    let asked = await ask(method)
    // Where the client learns only now that the KDC's clock was set, it has to learn the service's time once more.
    if (asked.heard.length === 1 && asked.heard.every(isAboutClocks)) {
      ledger.count('on recovery: the time of a service is learnt once more')
      asked = await ask(method)
    }
    if (asked.told === '200' && asked.sent.length === 1) continue
    ledger.violate(`recovery: #${asked.id} after a success: ${asked.told}, sent ${asked.sent.length}`)
  }
}

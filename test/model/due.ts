import { type PlainTicket, serviceVerdict, tgsVerdict } from '../properties/model.js'
import { BILLING, GATE, POLICY } from './cast.js'
import type { HonestClient, Wish } from './honest-client.js'
import { require, type ShownChain } from './reference.js'
import type { World } from './world.js'

/** What must come through where nobody disturbs it: told from the reference, before anybody is asked. */

/** How a request goes out, but for the service. */
export interface Asking {
  readonly method: string
  readonly target: string
  readonly body: string
}

/** How many times a client tries that must come through, and the pause between, milliseconds. */
const ATTEMPTS = 3
const PAUSE = 61_000
/** Clocks that differ by less are right, and a clock that went back by less did not go back. */
const CLOCKS_RIGHT = 50_000
const WENT_BACK = 500
/** What the KDC leaves of a ticket's life at the least: it may shorten it at random. */
const LEAST_LIFE = 0.9

/**
 * Tries until it comes through, once where that is not due. A first attempt that is due may fail: a client asks again
 * once, and so learns one thing that it did not know, of a clock or a key that was changed behind its back.
 * @param what it is called where it is counted
 */
export async function requireDue(
  world: World,
  client: HonestClient,
  wish: Wish,
  isDue: () => boolean,
  what: string,
): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    const due = isDue()
    const op = world.send(client, wish)
    await world.through(op)
    if (op.state === 'answered') {
      if (due) world.tally.count(`${what} that must succeed did`)
      return true
    }
    if (!due || !isDue()) return false
    const { name } = client
    require(attempt <
      ATTEMPTS, `${what}: ${name} asks ${wish.service} and is refused for ever: ${op.code ?? op.state}`)
    world.pass(PAUSE)
  }
}

/** A client asks by its own ticket. */
export function isDueOwn(world: World, client: string, service: string, asking: Asking): boolean {
  if (!['/orders', '/orders/7'].includes(asking.target)) return false
  return isReachable(world, service, asking) && mayHaveTicket(world, client, service)
}

/** Somebody shows this alone. */
export function isDueAlone(world: World, chain: ShownChain, service: string, asking: Asking): boolean {
  return isReachable(world, service, asking) && isGood(world, chain, undefined, service, asking)
}

/** The delegate shows what it was given, beside its own ticket where it was given it by name. */
export function isDueDelegated(world: World, chain: ShownChain, asking: Asking): boolean {
  const { service } = chain.ticket
  if (!chain.caveats.some(([name]) => name === 'holder')) return isDueAlone(world, chain, service, asking)
  if (!isReachable(world, service, asking) || !mayHaveTicket(world, GATE, service)) return false
  return isGood(world, chain, ownTicket(GATE, service), service, asking)
}

/** The delegate asks the KDC by a part of somebody's TGT, and shows what it gets. */
export function isDueBorrowed(world: World, tgt: ShownChain, service: string, asking: Asking): boolean {
  const { reference, clocks, kdcTime } = world
  const { client, incarnation, revoked } = tgt.ticket
  if (!isReachable(world, service, asking)) return false
  if (revoked || !reference.isActive(client)) return false
  if (reference.principal(client)?.incarnation !== incarnation) return false
  const now = kdcTime.now()
  // Whoever has another's TGT believes the KDC no clock: its own has to be right.
  if (Math.abs(clocks.of(GATE).now() - now) > CLOCKS_RIGHT) return false
  const ticket = grantOf(world, tgt, service, now)
  if (ticket === undefined || grantOf(world, tgt, service, now + CLOCKS_RIGHT) === undefined) return false
  const end = now + LEAST_LIFE * (ticket.end - now)
  return isGoodNow(world, { ticket: { ...ticket, end }, caveats: [] }, undefined, service, asking)
}

function grantOf(world: World, tgt: ShownChain, service: string, now: number): PlainTicket | undefined {
  const facts = { now, services: [service], lifetime: 0, renew: false }
  const verdict = tgsVerdict(tgt, tgt, facts, { ...POLICY, services: world.reference.services })
  return 'granted' in verdict ? verdict.granted[0]?.ticket : undefined
}

/** Its clock is right and did not go back, and what is asked does no harm twice, so that a client may ask again. */
function isReachable(world: World, service: string, { method }: Asking): boolean {
  const now = world.host(service).clock.now()
  const right =
    world.clocks.wentBack(service) <= WENT_BACK && Math.abs(now - world.kdcTime.now()) <= CLOCKS_RIGHT
  return right && method === 'GET'
}

/** Policy lets the client have a ticket, and nobody is disabled or gone. */
function mayHaveTicket({ reference }: World, client: string, service: string): boolean {
  const allowed = POLICY.rules[`${client} ${service}`] !== undefined
  return allowed && reference.isActive(client) && reference.isActive(service)
}

/** As policy has it granted. */
function ownTicket(client: string, service: string): PlainTicket | undefined {
  const rule = POLICY.rules[`${client} ${service}`]
  if (rule === undefined) return undefined
  return { service, client, ...rule, start: 0, end: Number.POSITIVE_INFINITY, renewTill: null }
}

/** The service still has the key that the ticket is sealed under: what was handed on is not replaced. */
function isGood(
  world: World,
  chain: ShownChain,
  own: PlainTicket | undefined,
  service: string,
  asking: Asking,
): boolean {
  const sealedFor = chain.ticket.serviceIncarnation
  if (sealedFor !== world.reference.principal(service)?.incarnation) return false
  return isGoodNow(world, chain, own, service, asking)
}

/** What the reference says of the request, and for as long as clocks may differ from now too. */
function isGoodNow(
  world: World,
  chain: Pick<ShownChain, 'caveats'> & { readonly ticket: PlainTicket },
  own: PlainTicket | undefined,
  service: string,
  { method, target }: Asking,
): boolean {
  const beside = own && { ticket: own, caveats: [] }
  const delegated = own && { ...chain, client: chain.ticket.client }
  const presentation = { own: beside ?? chain, delegated, proved: beside ? [beside, chain] : [chain] }
  const now = world.host(service).clock.now()
  return [now, now + CLOCKS_RIGHT, now + 2 * CLOCKS_RIGHT].every(time => {
    const verdict = serviceVerdict(presentation, { service, now: time, method, target })
    return 'claims' in verdict && (service !== BILLING || verdict.claims.some(([name]) => name === 'role'))
  })
}

import { type PlainTicket, serviceVerdict, tgsVerdict } from '../properties/model.js'
import { BILLING, GATE, POLICY } from './cast.js'
import type { HonestClient, Wish } from './honest-client.js'
import { require, type ShownChain } from './reference.js'
import type { World } from './world.js'

/** What must be accepted if nobody disturbs it. This is taken from the reference, before anybody is asked. */

/** How a request is sent, except its service. */
export interface Asking {
  readonly method: string
  readonly target: string
  readonly body: string
}

/** How many times a client tries something that must be accepted, and the pause between, milliseconds. */
const ATTEMPTS = 3
const PAUSE = 61_000
/** Clocks that differ by less count as right, and a clock that went back by less did not go back. */
const CLOCKS_RIGHT = 50_000
const WENT_BACK = 500
/** The least that the KDC leaves of a ticket's life, which it may shorten at random. */
const LEAST_LIFE = 0.9

/**
 * Tries until it is accepted, or once if it need not be. A first attempt that is due may fail: the client asks again
 * once, and so learns one thing that it did not know, such as a clock or a key that was changed without its knowledge.
 * @param what its name where it is counted
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

/** Somebody presents this alone. */
export function isDueAlone(world: World, chain: ShownChain, service: string, asking: Asking): boolean {
  if (chain.ticket.deadBy !== undefined || !isReachable(world, service, asking)) return false
  return isGood(world, chain, undefined, service, asking)
}

/** The delegate presents what it was given, beside its own ticket if it was named. */
export function isDueDelegated(world: World, chain: ShownChain, asking: Asking): boolean {
  const { service } = chain.ticket
  if (!chain.caveats.some(([name]) => name === 'holder')) return isDueAlone(world, chain, service, asking)
  if (!isReachable(world, service, asking) || !mayHaveTicket(world, GATE, service)) return false
  if (chain.ticket.deadBy !== undefined) return false
  return isGood(world, chain, ownTicket(world, GATE, service), service, asking)
}

/** The delegate asks the KDC with a part of another client's TGT, and presents what it gets. */
export function isDueBorrowed(world: World, tgt: ShownChain, service: string, asking: Asking): boolean {
  const { reference, clocks, kdc } = world
  const { client, incarnation, revoked } = tgt.ticket
  if (!isReachable(world, service, asking) || !reference.keys.isShared(service)) return false
  if (revoked || !reference.isActive(client)) return false
  if (reference.principal(client)?.incarnation !== incarnation) return false
  const now = kdc.clock.now()
  // Whoever uses another's TGT does not believe the KDC's clock, so its own must be right.
  if (Math.abs(clocks.of(GATE).now() - now) > CLOCKS_RIGHT) return false
  const ticket = grantOf(world, tgt, service, now)
  if (ticket === undefined || grantOf(world, tgt, service, now + CLOCKS_RIGHT) === undefined) return false
  const end = now + LEAST_LIFE * (ticket.end - now)
  return isGoodNow(world, { ticket: { ...ticket, end }, caveats: [] }, undefined, service, asking)
}

function grantOf(world: World, tgt: ShownChain, service: string, now: number): PlainTicket | undefined {
  const facts = { now, services: [service], lifetime: 0, renew: false }
  const { client } = tgt.ticket
  // What was changed may be changed again before it is used, and a rule may have a rate.
  if (!world.reference.policy.isSteady(client, service)) return undefined
  const rules = world.reference.policy.rulesOf(client, [service], now)
  const verdict = tgsVerdict(tgt, tgt, facts, { ...POLICY, rules, services: world.reference.services })
  return 'granted' in verdict ? verdict.granted[0]?.ticket : undefined
}

/** Its clock is right and did not go back, and a repeat does no harm, so that a client may ask again. */
function isReachable(world: World, service: string, { method }: Asking): boolean {
  const now = world.host(service).clock.now()
  const right =
    world.clocks.wentBack(service) <= WENT_BACK && Math.abs(now - world.kdc.clock.now()) <= CLOCKS_RIGHT
  return right && method === 'GET' && isFedLongEnough(world, service)
}

/** A service that follows the revocations knows for as long as the attempts take that it has them all. */
function isFedLongEnough(world: World, service: string): boolean {
  const { facts } = world.feeds.get(service) ?? {}
  const { clock } = world.host(service)
  const now = { wall: clock.now(), monotonic: clock.monotonic() }
  return facts?.isFresh(now, facts.maxStaleness - 2 * CLOCKS_RIGHT) !== false
}

/** Policy lets the client have a ticket, and nobody is disabled or removed. */
function mayHaveTicket({ reference, kdc }: World, client: string, service: string): boolean {
  // A client goes on with tickets by the rules of before.
  if (!reference.policy.isSteady(client, service)) return false
  const allowed = reference.policy.deciding(client, service, kdc.clock.now()) !== undefined
  const share = [client, service].every(name => reference.keys.isShared(name))
  return allowed && share && reference.isActive(client) && reference.isActive(service)
}

/** As policy has it granted. */
function ownTicket({ reference, kdc }: World, client: string, service: string): PlainTicket | undefined {
  const rule = reference.policy.deciding(client, service, kdc.clock.now())
  if (rule === undefined) return undefined
  const { delegable, claims, caveats } = rule
  return {
    service,
    client,
    delegable,
    claims,
    caveats,
    start: 0,
    end: Number.POSITIVE_INFINITY,
    renewTill: null,
  }
}

/** The service still has the key that the ticket is sealed under: what was handed on is not replaced. */
function isGood(
  world: World,
  chain: ShownChain,
  own: PlainTicket | undefined,
  service: string,
  asking: Asking,
): boolean {
  const { serviceIncarnation, kvno } = chain.ticket
  const { reference } = world
  if (serviceIncarnation !== reference.principal(service)?.incarnation) return false
  if (!reference.keys.isHeld(service, kvno)) return false
  return isGoodNow(world, chain, own, service, asking)
}

/** What the reference says of the request, now and for as long as clocks may differ. */
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

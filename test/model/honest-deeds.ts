import type { Attenuation } from '../../client/attenuation.js'
import { secretsOf, type Ticket } from '../../client/ticket.js'
import { OrthrusError } from '../../shared/errors.js'
import { serviceVerdict } from '../properties/model.js'
import { ATTACKERS, BILLING, GATE, MALLORY, POLICY } from './cast.js'
import { among, type Kind, type Run } from './deed.js'
import type { HonestClient, Wish } from './honest-client.js'
import { require, type ShownChain } from './reference.js'
import { readCaveat } from './view.js'

/** What honest clients do: they ask services, and hand on parts of their tickets. */

export interface Asking {
  readonly method: string
  readonly target: string
  readonly body: string
}

interface Request extends Asking {
  readonly client: string
  readonly service: string
}

/** How many times a client tries that must come through, and the pause between, milliseconds. */
const ATTEMPTS = 3
const PAUSE = 61_000
/** Clocks that differ by less are right, and a clock that went back by less did not go back. */
const CLOCKS_RIGHT = 50_000
const WENT_BACK = 500

export const exchange: Kind<Request> = {
  name: 'an undisturbed request',
  async act(run, request) {
    const { world } = run
    const party = world.parties.get(request.client)
    if (party === undefined) return false
    const due = mustSucceed(run, request)
    for (let attempt = 0; attempt < (due ? ATTEMPTS : 1); attempt++) {
      if (attempt > 0) world.pass(PAUSE)
      const op = world.send(party.client, request)
      await world.through(op)
      if (op.state === 'answered') {
        if (due) world.tally.count('an exchange that must succeed did')
        return true
      }
      if (!due || attempt < ATTEMPTS - 1) continue
      const still = mustSucceed(run, request)
      require(!still, `${request.client} asks ${request.service} and is refused for ever: ${op.code ?? op.state}`)
    }
    return true
  },
}

/** Clocks are right, nobody is disabled, and policy lets it: then it has to come through. */
function mustSucceed({ world }: Run, { client, service, method, target }: Request): boolean {
  const { reference, clocks } = world
  const rule = POLICY.rules[`${client} ${service}`]
  if (rule === undefined || method !== 'GET' || !['/orders', '/orders/7'].includes(target)) return false
  if (!reference.isActive(client) || !reference.isActive(service)) return false
  const now = world.host(service).clock.now()
  return clocks.wentBack(service) <= WENT_BACK && Math.abs(now - world.kdcTime.now()) <= CLOCKS_RIGHT
}

export const send: Kind<Request> = {
  name: 'a request goes out',
  async act({ world }, { client, ...wish }) {
    const party = world.parties.get(client)
    if (party !== undefined) world.send(party.client, wish)
    return party !== undefined
  },
}

/** What a credential is cut down to; times are milliseconds from now. */
export interface Restriction {
  /** Who alone may present it; `receiver` is whoever gets it. */
  readonly to: string | null
  readonly expires: number | null
  readonly methods: readonly string[] | null
  readonly paths: readonly string[] | null
  readonly claims: readonly string[] | null
}

interface Delegation {
  readonly client: string
  readonly service: string
  readonly restriction: Restriction
  /** Who gets it: the delegate, or the attacker. */
  readonly receiver: string
  readonly closed: boolean
}

function attenuationOf(run: Run, restriction: Restriction): Attenuation | undefined {
  const { to, expires, methods, paths, claims } = restriction
  const parts = {
    ...(to === null ? {} : { to }),
    ...(expires === null ? {} : { expires: run.world.kdcTime.now() + expires }),
    ...(methods === null ? {} : { methods }),
    ...(paths === null ? {} : { paths }),
    ...(claims === null ? {} : { claims }),
  }
  return Object.keys(parts).length === 0 ? undefined : parts
}

/** Waits for the promise, and carries what the client asks the KDC meanwhile; nothing where it is refused. */
export async function obtain<T>(run: Run, client: string, promise: Promise<T>): Promise<T | undefined> {
  let settled = false
  const result = promise.then(
    value => value,
    cause => {
      if (!(cause instanceof OrthrusError)) throw cause
      return undefined
    },
  )
  const settle = (): void => {
    settled = true
  }
  result.then(settle, settle)
  for (let i = 0; i < 20; i++) {
    await run.world.settle()
    if (settled) return result
    const next = run.world.waiting.questionOf(client)
    if (next === undefined) return undefined
    await run.world.carry(next)
  }
  return undefined
}

/** The ticket cut down, with what the reference calls it; nothing where policy or the ticket forbids that. */
function cutDown(
  run: Run,
  ticket: Ticket,
  restriction: Restriction,
): { ticket: Ticket; chain: ShownChain } | undefined {
  const attenuation = attenuationOf(run, restriction)
  if (attenuation === undefined) return undefined
  try {
    const less = ticket.attenuate(attenuation)
    const { sealed, caveats } = secretsOf(less)
    const issued = run.world.identify(sealed.bytes)
    if (issued === undefined) return undefined
    run.world.secrets.keepTicket(less)
    return { ticket: less, chain: { ticket: issued, caveats: caveats.map(readCaveat) } }
  } catch (cause) {
    if (cause instanceof OrthrusError) return undefined
    throw cause
  }
}

function shortName(name: string): string {
  return name.slice(0, name.indexOf('@'))
}

export const delegate: Kind<Delegation> = {
  name: 'a ticket is handed on',
  async act(run, { client, service, restriction, receiver, closed }) {
    const party = run.world.parties.get(client)
    if (party === undefined) return false
    const ticket = await obtain(run, client, party.client.ticket(service))
    const to = restriction.to === 'receiver' ? shortName(receiver) : restriction.to
    const less = ticket && cutDown(run, ticket, { ...restriction, to })
    if (less === undefined) return false
    const text = less.ticket.credential({ closed })
    if (ATTACKERS.includes(receiver)) {
      run.world.reference.hand({ ...less.chain, closed })
      run.attacker.take(text)
      return true
    }
    const gate = run.world.parties.get(GATE)
    if (gate === undefined || (to !== null && to !== 'gate')) return false
    run.imported.push(gate.client.import(text))
    return true
  },
}

export const handOff: Kind<Request & { readonly restriction: Restriction; readonly about: string }> = {
  name: 'a ticket is handed to a service, sealed',
  async act(run, { client, service, restriction, about, ...wish }) {
    const { world } = run
    const party = world.parties.get(client)
    if (party === undefined) return false
    const ticket = await obtain(run, client, party.client.ticket(about))
    const to = shortName(service)
    const less = ticket && cutDown(run, ticket, { ...restriction, to })
    if (less === undefined) return false
    if (service === MALLORY) world.reference.hand({ ...less.chain, closed: false })
    world.send(party.client, { ...wish, service, handOff: less.ticket })
    return true
  },
}

export const delegateTgt: Kind<
  Omit<Delegation, 'closed' | 'service'> & { readonly services: readonly string[] }
> = {
  name: 'a part of a TGT is handed on',
  async act(run, { client, restriction, services, receiver }) {
    const { world } = run
    const party = world.parties.get(client)
    if (party === undefined) return false
    const tgt = await obtain(run, client, party.client.tgt())
    if (tgt === undefined) return false
    const whole = tgt.attenuate({ services })
    world.secrets.keepTicket(whole)
    const less =
      cutDown(run, whole, { ...restriction, to: null }) ??
      cutDown(run, whole, { ...restriction, to: null, methods: ['GET'] })
    if (less === undefined) return false
    const text = less.ticket.credential()
    if (ATTACKERS.includes(receiver)) {
      world.reference.hand({ ...less.chain, closed: false })
      run.attacker.take(text)
      return true
    }
    const gate = world.parties.get(GATE)
    if (gate !== undefined) run.borrowers.push(world.connect(text, client, gate.clock))
    return gate !== undefined
  },
}

interface Using extends Asking {
  readonly which: number
  readonly undisturbed: boolean
}

/** Sends it, and where nobody disturbs it sees that what must be accepted is. */
async function use(run: Run, client: HonestClient, wish: Wish, undisturbed: boolean): Promise<void> {
  const op = run.world.send(client, wish)
  if (!undisturbed) return
  await run.world.through(op)
  if (op.state === 'answered') run.world.tally.count('a part of a ticket did its work')
}

export const presentDelegated: Kind<Using> = {
  name: 'the delegate presents what it was given',
  async act(run, { which, undisturbed, ...asking }) {
    const ticket = among(run.imported, which)
    const gate = run.world.parties.get(GATE)
    if (ticket === undefined || gate === undefined) return false
    await use(run, gate.client, { ...asking, service: ticket.service, ticket }, undisturbed)
    return true
  },
}

export const presentBorrowed: Kind<Using & { readonly service: string }> = {
  name: 'the delegate asks by a part of a TGT',
  async act(run, { which, undisturbed, ...wish }) {
    const borrower = among(run.borrowers, which)
    if (borrower === undefined) return false
    await use(run, borrower, wish, undisturbed)
    return true
  },
}

export const presentLess: Kind<Request & { readonly restriction: Restriction }> = {
  name: 'a client cuts its own ticket down',
  async act(run, { client, service, restriction, ...asking }) {
    const party = run.world.parties.get(client)
    if (party === undefined) return false
    const ticket = await obtain(run, client, party.client.ticket(service))
    const less = ticket && cutDown(run, ticket, { ...restriction, to: null })
    if (less === undefined) return false
    const due = mustSucceed(run, { client, service, ...asking }) && isGood(run, less.chain, service, asking)
    const op = run.world.send(party.client, { ...asking, service, ticket: less.ticket })
    await run.world.through(op)
    const still = due && isGood(run, less.chain, service, asking)
    // What is handed in is not replaced: not after the service's clock, nor after its key.
    const remade = (run.world.reference.principal(service)?.incarnation ?? 1) > 1
    const excused = op.code === 'clock_skew' || (remade && op.code === 'refused_unproved')
    const answered = op.state === 'answered' || excused || !still
    require(answered, `${client} cut its ticket for ${service} down and is refused: ${op.code ?? op.state}`)
    return true
  },
}

/** What the reference says of the request, and half a minute from now too. */
function isGood(run: Run, chain: ShownChain, service: string, { method, target }: Asking): boolean {
  const now = run.world.host(service).clock.now()
  const isAt = (time: number): boolean => {
    const facts = { service, now: time, method, target }
    const verdict = serviceVerdict({ own: chain, delegated: undefined, proved: [chain] }, facts)
    return 'claims' in verdict && (service !== BILLING || verdict.claims.some(([name]) => name === 'role'))
  }
  return isAt(now) && isAt(now + CLOCKS_RIGHT)
}

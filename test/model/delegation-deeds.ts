import type { Attenuation } from '../../client/ticket/attenuation.js'
import { secretsOf, type Ticket } from '../../client/ticket/ticket.js'
import { OrthrusError } from '../../shared/errors.js'
import { ATTACKERS, GATE, MALLORY } from './cast.js'
import { among, type Kind, type Run } from './deed.js'
import { type Asking, isDueAlone, isDueBorrowed, isDueDelegated, requireDue } from './due.js'
import type { HonestClient, Wish } from './honest-client.js'
import { obtain, type Request } from './honest-deeds.js'
import type { ShownChain } from './reference.js'
import { readCaveat } from './view.js'

/** Honest clients cut tickets down and hand them on, and the receivers use them. */

/** What a credential is cut down to; times are milliseconds from now. */
export interface Restriction {
  /** The only one that may present it; `receiver` is the one that gets it. */
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
  /** The one that gets it: the delegate, or the attacker. */
  readonly receiver: string
  readonly closed: boolean
}

function attenuationOf(run: Run, restriction: Restriction): Attenuation | undefined {
  const { to, expires, methods, paths, claims } = restriction
  const parts = {
    ...(to === null ? {} : { to }),
    ...(expires === null ? {} : { expires: run.world.kdc.clock.now() + expires }),
    ...(methods === null ? {} : { methods }),
    ...(paths === null ? {} : { paths }),
    ...(claims === null ? {} : { claims }),
  }
  return Object.keys(parts).length === 0 ? undefined : parts
}

/** The ticket cut down, and what the reference calls it; nothing if policy or the ticket forbids that. */
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
    run.imported.push({ ticket: gate.client.import(text), chain: less.chain })
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
    else world.reference.handSealed(service, { ...less.chain, closed: false })
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
    if (gate === undefined) return false
    run.borrowers.push({ client: world.connect(text, client, gate.clock), chain: less.chain })
    return true
  },
}

interface Using extends Asking {
  readonly which: number
  readonly undisturbed: boolean
}

/** Sends it undisturbed, and checks that it is accepted when it must be. */
async function use(
  { world }: Run,
  client: HonestClient,
  wish: Wish,
  isDue: () => boolean,
  what: string,
): Promise<void> {
  if (await requireDue(world, client, wish, isDue, what)) world.tally.count('a part of a ticket did its work')
}

export const presentDelegated: Kind<Using> = {
  name: 'the delegate presents what it was given',
  async act(run, { which, undisturbed, ...asking }) {
    const given = among(run.imported, which)
    const gate = run.world.parties.get(GATE)
    if (given === undefined || gate === undefined) return false
    const { ticket, chain } = given
    const isDue = (): boolean => isDueDelegated(run.world, chain, asking)
    const wish = { ...asking, service: ticket.service, ticket }
    if (undisturbed) await use(run, gate.client, wish, isDue, 'a delegated presentation')
    else run.world.send(gate.client, wish)
    return true
  },
}

export const presentBorrowed: Kind<Using & { readonly service: string }> = {
  name: 'the delegate asks by a part of a TGT',
  async act(run, { which, undisturbed, ...wish }) {
    const borrower = among(run.borrowers, which)
    if (borrower === undefined) return false
    const { client, chain } = borrower
    const isDue = (): boolean => isDueBorrowed(run.world, chain, wish.service, wish)
    if (undisturbed) await use(run, client, wish, isDue, 'a request by a part of a TGT')
    else run.world.send(client, wish)
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
    const isDue = (): boolean => isDueAlone(run.world, less.chain, service, asking)
    const wish = { ...asking, service, ticket: less.ticket }
    await use(run, party.client, wish, isDue, 'a presentation of less')
    return true
  },
}

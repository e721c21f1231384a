import type { KeytabEntry } from '../../shared/keytab/keytab.js'
import { decodeTicket } from '../../shared/ticket/ticket.js'
import type { PlainCaveat } from '../properties/model.js'
import { encodeAll } from '../properties/world.js'
import { type KdcAsking, type Power, quietly, type Shown } from './attacker.js'
import { ATTACKERS, EVE, KDC, KRBTGT, ORDERS } from './cast.js'
import { among, type Kind, type Run } from './deed.js'
import type { Asking } from './due.js'
import type { Letter } from './service-host.js'
import { restart } from './setting-deeds.js'
import { bodyOf, messageIn, readAp, readCaveat } from './view.js'

/** What the attacker makes with its keys: its own, stolen ones, and those handed to it. */

/** How what is shown differs from what the key stands for. */
export const FORGERIES = ['none', 'drop', 'swap', 'replace', 'insert', 'without', 'all'] as const

export interface Showing {
  readonly power: number
  readonly added: readonly PlainCaveat[]
  readonly forgery: (typeof FORGERIES)[number]
  readonly at: number
}

function shownBy(run: Run, power: Power, { added, forgery, at }: Showing): Shown {
  const more = encodeAll(added)
  const shown = run.attacker.shown(power, more)
  const list = [...shown.caveats]
  const place = at % Math.max(1, list.length)
  if (forgery === 'none') return shown
  if (forgery === 'all') return { ...shown, caveats: [] }
  if (forgery === 'drop') list.splice(place, 1)
  if (forgery === 'swap') list.reverse()
  if (forgery === 'replace') list.splice(place, 1, ...more.slice(0, 1))
  if (forgery === 'insert') list.splice(place, 0, ...more.slice(0, 1))
  if (forgery === 'without') return { ...shown, key: run.attacker.shown(power, []).key }
  return { ...shown, caveats: list }
}

function serviceTickets(run: Run): readonly Power[] {
  return run.attacker.powers.filter(({ service }) => service !== KRBTGT && service !== KDC)
}

interface Forging extends Showing, Asking {
  /** In place of the ticket's own. */
  readonly service: string | null
  readonly offset: number
  /** In its own name: what policy allows everybody. */
  readonly own: boolean
}

export const forge: Kind<Forging> = {
  name: 'the attacker asks with a key that it has',
  async act(run, args) {
    const { world, attacker } = run
    const power = among(
      serviceTickets(run).filter(one => isOwn(one) === args.own),
      args.power,
    )
    if (power === undefined) return false
    const service = args.service ?? power.service
    const shown = shownBy(run, power, args)
    await presentTwice(world, service, args.offset, time => attacker.letter(shown, { ...args, time }))
    return true
  },
}

export const forgeAndRestart: Kind<Forging & { readonly back: number; readonly pause: number }> = {
  name: 'a request is shown again after a restart',
  async act(run, args) {
    const { world, attacker } = run
    const power = among(
      serviceTickets(run).filter(({ service }) => world.hosts.has(service)),
      args.power,
    )
    if (power === undefined) return false
    const { service } = power
    const host = world.host(service)
    const time = host.clock.now() + args.offset
    const letter = attacker.letter(attacker.shown(power, []), { ...args, time })
    await world.present(service, letter)
    if (!(await restart(run, service, args.back))) return false
    world.pass(args.pause)
    await world.present(service, letter)
    world.pass(AFTER_START)
    return true
  },
}

/** After this long a service accepts stamps of the present: at its start the floor is this far ahead, milliseconds. */
const AFTER_START = 6_000

/** After its clock was set, a service accepts nothing for some seconds; then it is tried again. */
async function presentTwice(
  world: Run['world'],
  service: string,
  offset: number,
  make: (time: number) => Letter,
): Promise<void> {
  const { clock } = world.host(service)
  const { refused } = await world.present(service, make(clock.now() + offset))
  if (refused?.code !== 'clock_skew' || offset !== 0) return
  world.pass(AFTER_START)
  await world.present(service, make(clock.now()))
}

function isOwn({ client }: Power): boolean {
  return ATTACKERS.includes(client)
}

export const forgeDelegated: Kind<
  Forging & { readonly second: Showing; readonly client: string | null; readonly reversed: boolean }
> = {
  name: 'the attacker presents a delegated ticket',
  async act(run, args) {
    const { world, attacker } = run
    const usable = serviceTickets(run)
    const others = usable.filter(one => !isOwn(one))
    const delegated = among(others.length > 0 ? others : usable, args.second.power)
    if (delegated === undefined) return false
    const alike = usable.filter(
      ({ service, client }) => service === delegated.service && client !== delegated.client,
    )
    const own = among(alike.filter(isOwn), args.power)
    if (own === undefined) return false
    const service = args.service ?? delegated.service
    const [first, behind] = [shownBy(run, own, args), shownBy(run, delegated, args.second)]
    const beside = { ...behind, client: args.client ?? delegated.client }
    const presenting = args.reversed ? { ...first, client: own.client } : beside
    const presenter = args.reversed ? behind : first
    await presentTwice(world, service, args.offset, time =>
      attacker.letter(presenter, { ...args, time, delegated: presenting }),
    )
    return true
  },
}

export const misname: Kind<Asking & { readonly power: number; readonly client: string }> = {
  name: 'the attacker calls a delegated ticket by another name',
  async act(run, { power, client, ...asking }) {
    const others = serviceTickets(run).filter(one => !isOwn(one) && one.client !== client)
    const delegated = among(others.filter(isForAttacker), power) ?? among(others, power)
    return delegated !== undefined && (await presentAsHolder(run, delegated, client, asking))
  },
}

export const delegateToItself: Kind<Asking & { readonly power: number }> = {
  name: 'the attacker delegates to itself a ticket whose key it has',
  async act(run, { power, ...asking }) {
    const whole = serviceTickets(run).filter(one => !isOwn(one) && holderOf(one) === undefined)
    const taken = among(whole, power)
    return taken !== undefined && (await presentAsHolder(run, taken, taken.client, asking))
  },
}

/** All of it is right, except perhaps the name, and whether the ticket may be delegated. */
async function presentAsHolder(run: Run, delegated: Power, client: string, asking: Asking): Promise<boolean> {
  const { world, attacker } = run
  const holder = holderOf(delegated) ?? EVE
  const own = serviceTickets(run).find(one => one.client === holder && one.service === delegated.service)
  if (own === undefined) return false
  const added = holderOf(delegated) === undefined ? encodeAll([['holder', holder]]) : []
  const beside = { ...attacker.shown(delegated, added), client }
  await presentTwice(world, own.service, 0, time =>
    attacker.letter(attacker.shown(own, []), { ...asking, time, delegated: beside }),
  )
  return true
}

function holderOf({ caveats }: Power): string | undefined {
  const holder = caveats.map(readCaveat).find(([name]) => name === 'holder')?.[1]
  return typeof holder === 'string' ? holder : undefined
}

function isForAttacker(power: Power): boolean {
  return ATTACKERS.includes(holderOf(power) ?? '')
}

export const atTheEnd: Kind<
  Asking & {
    readonly power: number
    readonly expires: boolean
    readonly beyond: number
    readonly kdc: boolean
  }
> = {
  name: 'the attacker asks at the very end of a ticket',
  async act(run, { power: which, expires, beyond, kdc, ...asking }) {
    const { world, attacker } = run
    const powers = kdc ? attacker.powers.filter(one => one.service === KRBTGT) : serviceTickets(run)
    const power = among(powers, which)
    const issued = power && world.reference.tickets.get(power.id)
    if (power === undefined || issued === undefined) return false
    const now = (): number => (kdc ? world.kdc.clock.now() : world.host(power.service).clock.now())
    const end = expires && issued.end - now() > 30_000 ? now() + 20_000 : issued.end
    const wait = end + beyond - now()
    if (wait <= 0 || wait > 20 * 60_000) return false
    const added = end === issued.end ? [] : encodeAll([['expires', end]])
    world.pass(wait)
    const shown = attacker.shown(power, added)
    if (kdc)
      await attacker.tgs(power, shown, {
        services: [ORDERS],
        lifetime: 0,
        renew: false,
        offset: 0,
      })
    else await world.present(power.service, attacker.letter(shown, { ...asking, time: now() }))
    return true
  },
}

export const forgeTicket: Kind<
  Asking & {
    readonly key: number
    readonly client: string
    readonly service: string
    readonly bound: boolean
    readonly showTo: string
  }
> = {
  name: 'the attacker makes a ticket',
  async act(run, { key, client, service, bound, showTo, ...asking }) {
    const { world, attacker } = run
    const entry = among(attacker.identities, key) as KeytabEntry
    const power = attacker.makeTicket(entry, client, service, 1, bound)
    const shown = attacker.shown(power, [])
    if (showTo === 'kdc') {
      const asking = {
        services: [ORDERS],
        lifetime: 0,
        renew: false,
        offset: 0,
      }
      await attacker.tgs(power, shown, asking)
    } else {
      const time = world.host(showTo).clock.now()
      await world.present(showTo, attacker.letter(shown, { ...asking, time }))
    }
    return true
  },
}

export const spliceTicket: Kind<
  Asking & { readonly power: number; readonly ticket: number; readonly showTo: string | null }
> = {
  name: "the attacker puts its own key to another's ticket",
  async act(run, { power: which, ticket, showTo, ...asking }) {
    const { world, attacker } = run
    const power = among(serviceTickets(run), which)
    const seen = among(world.letters, ticket)
    const bytes = seen && messageIn(seen.letter)
    const view = bytes && readAp(bytes)
    if (power === undefined || seen === undefined || view === undefined) return false
    const service = showTo ?? seen.service
    const sealed = quietly(() => decodeTicket(view.own.ticket))
    if (sealed === undefined) return false
    const shown = { ...attacker.shown(power, []), ticket: sealed }
    const time = world.host(service).clock.now()
    await world.present(service, attacker.letter(shown, { ...asking, time }))
    return true
  },
}

export const borrowLeg: Kind<
  Asking & { readonly power: number; readonly letter: number; readonly right: boolean }
> = {
  name: "the attacker presents another's ticket beside its own",
  async act(run, { power: which, letter, right, ...asking }) {
    const { world, attacker } = run
    const seen = among(world.letters, letter)
    const bytes = seen && messageIn(seen.letter)
    const body = bytes && bodyOf(bytes)
    const view = bytes && readAp(bytes)
    if (seen === undefined || body === undefined || view === undefined) return false
    const mine = serviceTickets(run).filter(one => isOwn(one) && one.service === seen.service)
    const own = among(mine, which)
    const [first, caveats, , , , behind] = body
    const [ticket, presented, client] = Array.isArray(behind) ? behind : [first, caveats, null]
    const sealed = quietly(() => decodeTicket(ticket as Uint8Array))
    if (own === undefined || sealed === undefined || !Array.isArray(presented)) return false
    const shown = attacker.shown(own, [])
    const named = right ? (world.identify(sealed.bytes)?.client ?? EVE) : String(client ?? EVE)
    const holder = client === null ? encodeAll([['holder', own.client]]) : []
    const delegated = {
      ticket: sealed,
      caveats: [...(presented as Uint8Array[]), ...holder],
      key: shown.key,
      client: named,
    }
    await presentTwice(world, seen.service, 0, time => attacker.letter(shown, { ...asking, time, delegated }))
    return true
  },
}

export const login: Kind<KdcAsking & { readonly key: number; readonly client: string | null }> = {
  name: 'the attacker logs in',
  async act({ attacker }, { key, client, ...asking }) {
    const entry = among(attacker.identities, key) as KeytabEntry
    await attacker.login(entry, client ?? entry.principal, asking)
    return true
  },
}

export const askTgs: Kind<KdcAsking & Showing & { readonly own: boolean; readonly wrongTicket: boolean }> = {
  name: 'the attacker asks the TGS',
  async act(run, args) {
    const { attacker } = run
    const powers = attacker.powers.filter(one => args.wrongTicket || one.service === KRBTGT)
    const power = among(
      powers.filter(one => isOwn(one) === args.own),
      args.power,
    )
    if (power === undefined) return false
    await attacker.tgs(power, shownBy(run, power, args), args)
    return true
  },
}

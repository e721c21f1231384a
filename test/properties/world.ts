import { extendChain, finishChain, startChain } from '../../shared/crypto/derive.js'
import { AuthKey, ChainKey, revealKey, SessionKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { encode, type Value } from '../../shared/encoding/encoding.js'
import { type Principal, parsePrincipal } from '../../shared/principal.js'
import {
  type Credential,
  formatCredential,
  openHandOff,
  parseCredential,
  sealHandOff,
} from '../../shared/ticket/credential.js'
import { type SealedTicket, sealTicket } from '../../shared/ticket/ticket.js'
import { type Identity, krbtgt, START, type TestRealm, testRealm } from '../support/realm.js'
import type { Chain, PlainCaveat, PlainPolicy, PlainTicket } from './model.js'
import { ACTORS, type Edit, type LegSpec, type TicketSpec, whole } from './programs.js'

/** Real tickets, real keys and who has them, each with its description in the model. */

export interface HeldTicket extends PlainTicket {
  readonly sealed: SealedTicket
}

/** A ticket that somebody has: `K_n`, or `A_n` if it came closed, and the caveats that made it. */
export interface Link extends Chain {
  readonly ticket: HeldTicket
  readonly key: ChainKey | AuthKey
}

export interface ShownChain extends Chain {
  readonly ticket: HeldTicket
}

/** One ticket of a presentation: what is shown, under which key, and what that key really stands for. */
export interface Leg {
  readonly shown: ShownChain
  readonly key: AuthKey
  readonly stands: Chain | undefined
}

const CLAIMS = [
  ['role', 'reader'],
  ['tier', 3],
] as const

const nothing = { delegable: false, claims: [], caveats: [], maxLife: null }

export const POLICY: PlainPolicy = {
  tgs: whole('krbtgt'),
  kdc: whole('kdc'),
  services: [whole('orders'), whole('billing')],
  rules: {
    [`${whole('web')} ${whole('orders')}`]: {
      ...nothing,
      delegable: true,
      claims: CLAIMS,
      caveats: [['methods', ['GET', 'POST']]],
    },
    [`${whole('web')} ${whole('billing')}`]: { ...nothing, caveats: [['paths', ['/orders', '/admin']]] },
    [`${whole('web')} ${whole('ghost')}`]: nothing,
    [`${whole('ops')} ${whole('orders')}`]: { ...nothing, delegable: true },
    [`${whole('ops')} ${whole('billing')}`]: { ...nothing, delegable: true, maxLife: 600_000 },
    [`${whole('gate')} ${whole('orders')}`]: { ...nothing, delegable: true, claims: CLAIMS },
    [`${whole('eve')} ${whole('orders')}`]: nothing,
  },
}

/** A KDC with that policy, and the keys of all. One serves every run: nothing of a run changes it. */
export interface Ground {
  readonly realm: TestRealm
  /** `orders`, `billing` and the TGS, by whole name. */
  readonly services: ReadonlyMap<string, Identity>
  readonly clientIds: ReadonlyMap<string, Uint8Array>
}

export async function prepareGround(): Promise<Ground> {
  const realm = await testRealm()
  const services = new Map<string, Identity>([[POLICY.tgs, await krbtgt(realm)]])
  const clientIds = new Map<string, Uint8Array>()
  for (const name of ACTORS) {
    await realm.add(name)
    clientIds.set(whole(name), (await realm.record(name)).clientId)
  }
  for (const name of ['orders', 'billing']) services.set(whole(name), await realm.add(name))
  for (const [pair, rule] of Object.entries(POLICY.rules)) {
    const [client = '', service = ''] = pair.split(' ')
    const [methods = null, paths = null] = ['methods', 'paths'].map(name => {
      const list = rule.caveats.find(caveat => caveat[0] === name)?.[1]
      return typeof list === 'object' ? list.map(String) : null
    })
    const { delegable, maxLife } = rule
    const claims = rule.claims.map(([name, value]) => [name, value] as const)
    await realm.allow(client, service, { delegable, claims, maxLife, methods, paths })
  }
  return { realm, services, clientIds }
}

export class World {
  readonly ground: Ground
  /** All tickets: everybody has seen what was sent. */
  readonly tickets: HeldTicket[] = []
  readonly #hands = new Map<string, Link[]>(ACTORS.map(name => [whole(name), []]))

  /** Everybody begins with a TGT and a ticket for `orders`. */
  constructor(ground: Ground, specs: readonly TicketSpec[]) {
    this.ground = ground
    const plain = { delegable: true, starts: 0, lives: 7_200_000, renewable: true, caveats: [] }
    for (const client of ACTORS.map(whole)) {
      for (const service of [whole('orders'), POLICY.tgs]) this.#issue({ ...plain, client, service })
    }
    for (const spec of specs) this.#issue(spec)
  }

  held(actor: string): readonly Link[] {
    return this.#hands.get(actor) ?? []
  }

  /** Gives somebody a ticket, whole or cut down. */
  give(actor: string, link: Link): void {
    if (!this.tickets.includes(link.ticket)) this.tickets.push(link.ticket)
    this.#hands.get(actor)?.push(link)
  }

  serviceKey(name: string): Identity {
    const identity = this.ground.services.get(name)
    if (identity === undefined) throw new Error(`no key of ${name}`)
    return identity
  }

  #issue(spec: TicketSpec): void {
    const { client, service, delegable, caveats } = spec
    const { principal, kvno, key } = this.serviceKey(service)
    const start = START + spec.starts
    const times = {
      start,
      end: start + spec.lives,
      renewTill: spec.renewable ? start + 2 * spec.lives : null,
    }
    const sessionKey = new SessionKey(systemRandom(32))
    const content = {
      ticketId: systemRandom(16),
      client: parsePrincipal(client),
      clientId: this.ground.clientIds.get(client) ?? systemRandom(8),
      key: sessionKey,
      authTime: START,
      startTime: times.start,
      endTime: times.end,
      renewTill: times.renewTill,
      flags: delegable ? 1 : 0,
      claims: CLAIMS,
      caveats: encodeAll(caveats),
    }
    const sealed = sealTicket(principal, kvno, key, content, systemRandom)
    const ticket = { service, client, delegable, ...times, claims: CLAIMS, caveats, sealed }
    this.give(client, { ticket, caveats: [], key: startChain(sessionKey) })
  }
}

/** One of the list, counted from its end, whatever the number. */
export function pick<T>(list: readonly T[], index: number): T {
  const item = list.at(-1 - (index % list.length))
  if (item === undefined) throw new Error('nothing to pick from')
  return item
}

export function encodeCaveat(caveat: PlainCaveat): Uint8Array {
  return encode(caveat.map((argument): Value => (typeof argument === 'object' ? [...argument] : argument)))
}

export function encodeAll(caveats: readonly PlainCaveat[]): Uint8Array[] {
  return caveats.map(encodeCaveat)
}

/** With further caveats; a closed one stays as it is. */
export function attenuated(link: Link, caveats: readonly PlainCaveat[]): Link {
  if (link.key instanceof AuthKey) return link
  const key = encodeAll(caveats).reduce(extendChain, link.key)
  return { ...link, caveats: [...link.caveats, ...caveats], key }
}

function authKeyOf({ key }: Link): AuthKey {
  return key instanceof AuthKey ? key : finishChain(key)
}

/** The link as it arrives, in one of the ways that credentials are sent. */
export function handedOn(link: Link, closed: boolean, way: 'text' | 'sealed'): Link {
  const { ticket, caveats } = link
  const credential: Credential = {
    ticket: ticket.sealed,
    caveats: encodeAll(caveats),
    key: closed ? authKeyOf(link) : link.key,
    service: ticket.service as Principal,
    client: ticket.client as Principal,
    endTime: ticket.end,
  }
  const { key } = way === 'text' ? parseCredential(formatCredential(credential)) : throughSeal(credential)
  return { ticket, caveats, key }
}

function throughSeal(credential: Credential): Credential {
  const [key, nonce] = [new AuthKey(systemRandom(32)), systemRandom(16)]
  return openHandOff(key, nonce, sealHandOff(key, nonce, credential, systemRandom))
}

/** @param links of the actor, one of which is used. @param named caveats that the actor adds of its own accord. */
export function legOf(
  world: World,
  links: readonly Link[],
  { link: index, added, edit, forgery, ticket }: LegSpec,
  named: readonly PlainCaveat[] = [],
): Leg {
  const link = pick(links, index)
  const { caveats, key, stands } = keyFor(link, pick(links, index + 1), forgery, [...added, ...named])
  const shown = { ticket: ticket === undefined ? link.ticket : pick(world.tickets, ticket) }
  return { shown: { ...shown, caveats: edited(caveats, edit, world) }, key, stands }
}

interface ChosenKey {
  /** Shown, as far as nothing is edited. */
  readonly caveats: readonly PlainCaveat[]
  readonly key: AuthKey
  readonly stands: Chain | undefined
}

function keyFor(
  link: Link,
  another: Link,
  forgery: LegSpec['forgery'],
  added: readonly PlainCaveat[],
): ChosenKey {
  const extended = attenuated(link, added)
  const wished = [...link.caveats, ...added]
  switch (forgery) {
    case 'honest':
      return { caveats: extended.caveats, key: authKeyOf(extended), stands: extended }
    case 'without-the-added':
      return { caveats: wished, key: authKeyOf(link), stands: link }
    case 'closed-as-chain': {
      const chain = new ChainKey(revealKey(authKeyOf(link)).slice())
      const key = finishChain(encodeAll(added).reduce(extendChain, chain))
      return { caveats: wished, key, stands: undefined }
    }
    case 'chain-as-closed': {
      const closed = extended.key instanceof AuthKey
      const key = new AuthKey(revealKey(extended.key).slice())
      return { caveats: extended.caveats, key, stands: closed ? extended : undefined }
    }
    case 'of-another':
      return { caveats: extended.caveats, key: authKeyOf(another), stands: another }
  }
}

function edited(caveats: readonly PlainCaveat[], edit: Edit, world: World): readonly PlainCaveat[] {
  if (edit.kind === 'none') return caveats
  if (edit.kind === 'mix') {
    const links = ACTORS.flatMap(name => world.held(whole(name)))
    return pick(links, edit.at).caveats
  }
  const list = [...caveats]
  const at = edit.at % Math.max(1, list.length)
  const [item] = list.slice(at, at + 1)
  if (edit.kind === 'insert') list.splice(at, 0, edit.caveat)
  if (item === undefined) return list
  if (edit.kind === 'drop') list.splice(at, 1)
  if (edit.kind === 'cut') list.splice(at)
  if (edit.kind === 'double') list.splice(at, 0, item)
  if (edit.kind === 'replace') list[at] = edit.caveat
  if (edit.kind === 'swap') {
    const other = edit.with % list.length
    list[at] = list[other] ?? item
    list[other] = item
  }
  return list
}

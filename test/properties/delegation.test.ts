import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type AcceptedRequest, acceptRequest } from '../../shared/accept/accept.js'
import { toHex } from '../../shared/bytes.js'
import { LIMIT, TYPE } from '../../shared/constants.js'
import { combineAuthKeys, startChain } from '../../shared/crypto/derive.js'
import { AuthKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { openError } from '../../shared/encoding/error.js'
import { messageType } from '../../shared/encoding/message.js'
import { OrthrusError } from '../../shared/errors.js'
import { type ApQuestion, createApRequest } from '../../shared/exchange/ap.js'
import type { Reply } from '../../shared/exchange/reply.js'
import { createTgsRequest, openTgsReply } from '../../shared/exchange/tgs.js'
import { type Principal, parsePrincipal } from '../../shared/principal.js'
import type { Grant } from '../../shared/ticket/grant.js'
import { decodeTicket, openTicket } from '../../shared/ticket/ticket.js'
import { ADDRESS, type Identity, START } from '../support/realm.js'
import {
  allHold,
  type Chain,
  type Granted,
  isSame,
  type PlainCaveat,
  type Presentation,
  type RequestFacts,
  serviceVerdict,
  TENANT,
  tgsVerdict,
} from './model.js'
import { ACTORS, type Program, pathText, program, type Step, type StepOf, whole } from './programs.js'
import {
  attenuated,
  encodeAll,
  type Ground,
  type HeldTicket,
  handedOn,
  type Leg,
  type Link,
  legOf,
  POLICY,
  pick,
  prepareGround,
  World,
} from './world.js'

/** Authority only shrinks, whatever is done with what was handed on; and it can be used as far as it goes. */

const RUNS = process.env.ORTHRUS_SLOW === '1' ? 10_000 : 300

/** How often each thing happened, over all runs. */
const seen = new Map<string, number>()

/** What must have happened, and how often in a run at least: about a third of the usual number. */
const EXPECTED = {
  'plain accepted': 0.5,
  'plain auth_failed': 0.2,
  'plain caveat_failed': 0.1,
  'plain ticket_invalid': 0.05,
  'delegated accepted': 0.15,
  'delegated auth_failed': 0.2,
  'delegated caveat_failed': 0.05,
  'delegated delegation_invalid': 0.1,
  'accepted under three caveats or more': 0.025,
  'TGS reply': 0.4,
  'TGS granted under caveats': 0.15,
  'TGS auth_failed': 0.05,
  'TGS caveat_failed': 0.04,
  'TGS not_renewable': 0.025,
  'TGS denied caveat_failed': 0.005,
}

function count(...words: string[]): void {
  const name = words.join(' ')
  seen.set(name, (seen.get(name) ?? 0) + 1)
}

/** A request to a service as it was sent, as an eavesdropper sees it. */
interface Sent extends Presentation {
  readonly own: Leg['shown']
  readonly delegated: (Leg['shown'] & { readonly client: string }) | undefined
  readonly question: ApQuestion
  readonly mac: Uint8Array
  readonly facts: RequestFacts
}

class Run {
  readonly #world: World
  readonly #sent: Sent[] = []

  constructor(ground: Ground, { tickets }: Program) {
    this.#world = new World(ground, tickets)
  }

  async take(step: Step): Promise<void> {
    switch (step.kind) {
      case 'attenuate':
        return this.#attenuate(step)
      case 'hand off':
        return this.#handOff(step)
      case 'present':
        return await this.#present(step)
      case 'delegate':
        return await this.#delegate(step)
      case 'tgs':
        return await this.#askKdc(step)
      case 'splice':
        return await this.#splice(step)
    }
  }

  #attenuate({ actor, link, caveats }: StepOf<'attenuate'>): void {
    this.#world.give(actor, attenuated(pick(this.#world.held(actor), link), caveats))
  }

  #handOff({ actor, link, to, named, closed, way }: StepOf<'hand off'>): void {
    const held = pick(this.#world.held(actor), link)
    const less = named ? attenuated(held, [['holder', to]]) : held
    // A credential holds as many as a presentation.
    if (less.caveats.length <= LIMIT.CAVEATS) this.#world.give(to, handedOn(less, closed, way))
  }

  async #present({ actor, leg: spec, request }: StepOf<'present'>): Promise<void> {
    const leg = legOf(this.#world, this.#usable(actor, request), spec)
    const facts = { ...request, service: request.service ?? leg.shown.ticket.service }
    const presentation = { own: leg.shown, delegated: undefined, proved: [leg.stands] }
    await this.#send([actor], presentation, leg.key, facts)
  }

  /** A TGT is shown only where a ticket for another service is tried as well. */
  #usable(actor: string, { service }: StepOf<'present'>['request']): readonly Link[] {
    const held = this.#world.held(actor)
    return service === undefined ? held.filter(({ ticket }) => ticket.service !== POLICY.tgs) : held
  }

  async #delegate(step: StepOf<'delegate'>): Promise<void> {
    const { actor, request, keys, shows } = step
    const held = this.#usable(actor, request)
    const { service } = pick(held, step.delegated.link).ticket
    const alike = held.filter(({ ticket }) => ticket.service === service)
    const own = legOf(this.#world, alike, step.own)
    const holder: PlainCaveat[] = step.named ? [['holder', own.shown.ticket.client]] : []
    const delegated = legOf(this.#world, held, step.delegated, holder)
    const [first, second] = inOrder(shows, own, delegated)
    const behind = second && { ...second.shown, client: step.client ?? second.shown.ticket.client }
    const [one, other] = inOrder(keys, own, delegated)
    const proved = other === undefined ? [one.stands] : [one.stands, other.stands]
    const key = other === undefined ? one.key : combineAuthKeys(one.key, other.key)
    const facts = { ...request, service: request.service ?? service }
    await this.#send([actor], { own: first.shown, delegated: behind, proved }, key, facts)
  }

  /** The network puts together what it saw, under a MAC that it saw. */
  async #splice({ mac, own, delegated, now }: StepOf<'splice'>): Promise<void> {
    if (this.#sent.length === 0) return
    const [whose, first, second] = [mac, own, delegated].map(index => pick(this.#sent, index))
    if (whose === undefined || first === undefined) return
    const behind = second?.delegated
    const unchanged = isSame(first.own, whose.own) && isSameDelegated(behind, whose.delegated)
    const presentation = { own: first.own, delegated: behind, proved: unchanged ? whose.proved : [] }
    const question = { ...whose.question, ...shownPart(presentation) }
    const { covered } = createApRequest(TYPE.AP_REQ, new AuthKey(systemRandom(32)), question)
    const bytes = new Uint8Array([...covered, ...whose.mac])
    const everybody = ACTORS.map(whole)
    await this.#deliver(everybody, presentation, bytes, { ...whose.facts, now })
  }

  async #send(
    actors: readonly string[],
    presentation: Pick<Sent, 'own' | 'delegated' | 'proved'>,
    key: AuthKey,
    facts: RequestFacts,
  ): Promise<void> {
    const question = questionOf(presentation, facts.now)
    const { bytes, mac } = createApRequest(TYPE.AP_REQ, key, question)
    this.#sent.push({ ...presentation, question, mac, facts })
    await this.#deliver(actors, presentation, bytes, facts)
  }

  async #deliver(
    actors: readonly string[],
    presentation: Pick<Sent, 'own' | 'delegated' | 'proved'>,
    bytes: Uint8Array,
    facts: RequestFacts,
  ): Promise<void> {
    const verdict = serviceVerdict(presentation, facts)
    const outcome = await accept(this.#world.serviceKey(facts.service), bytes, facts)
    this.#count(presentation, verdict.code)
    if (outcome instanceof OrthrusError || !('claims' in verdict)) {
      const code = outcome instanceof OrthrusError ? outcome.code : 'accepted'
      expect(code).toBe(verdict.code)
      return
    }
    const { client, via, claims } = outcome
    expect({ client, via, claims }).toEqual({
      client: verdict.client,
      via: verdict.via,
      claims: verdict.claims,
    })
    const { own, delegated } = presentation
    this.#requireWeakest(actors, own, facts, undefined)
    if (delegated !== undefined) this.#requireWeakest(actors, delegated, facts, own.ticket.client)
  }

  #count({ own, delegated }: Pick<Sent, 'own' | 'delegated'>, code: string): void {
    count(delegated === undefined ? 'plain' : 'delegated', code)
    const speaking = delegated ?? own
    if (code === 'accepted' && speaking.caveats.length > 2) count('accepted under three caveats or more')
  }

  /** The same without keys: somebody was handed something of that ticket that allows this. */
  #requireWeakest(
    actors: readonly string[],
    shown: Chain,
    facts: RequestFacts,
    presenter: string | undefined,
  ): void {
    const links = this.#linksOf(actors, shown)
    expect(links.some(link => allHold(link, facts, presenter))).toBe(true)
  }

  #linksOf(actors: readonly string[], { ticket }: Chain): Link[] {
    return actors.flatMap(actor => this.#world.held(actor)).filter(link => link.ticket === ticket)
  }

  async #askKdc({ actor, leg: spec, services, lifetime, renew, now }: StepOf<'tgs'>): Promise<void> {
    const held = this.#world.held(actor)
    const tgts = held.filter(({ ticket }) => ticket.service === POLICY.tgs)
    const { shown, key, stands } = legOf(this.#world, tgts.length > 0 ? tgts : held, spec)
    const verdict = tgsVerdict(shown, stands, { now, services, lifetime, renew }, POLICY)
    const request = createTgsRequest(key, shown.ticket.sealed, {
      caveats: encodeAll(shown.caveats),
      time: now,
      nonce: systemRandom(16),
      services: services.map(parsePrincipal),
      lifetime,
      renew,
    })
    const { realm } = this.#world.ground
    realm.clock.set(now)
    const bytes = await realm.dispatch(request.bytes, ADDRESS)
    const replied = messageType(bytes) === TYPE.TGS_REP
    count('TGS', verdict.code)
    expect(replied ? 'reply' : openError(bytes, key, request.mac).code).toBe(verdict.code)
    if (!('granted' in verdict)) return
    const reply = openTgsReply(key, request, bytes)
    expect(reply.denials.map(({ service, code }) => [service, code])).toEqual(verdict.denied)
    for (const [, code] of verdict.denied) count('TGS', 'denied', code)
    if (verdict.renewed) this.#takeRenewed(actor, shown.ticket, reply.grants[0], now)
    const grants = reply.grants.slice(verdict.renewed ? 1 : 0)
    this.#takeGrants(actor, shown, verdict.granted, { ...reply, grants })
  }

  #takeRenewed(actor: string, old: HeldTicket, grant: Grant | undefined, now: number): void {
    if (grant === undefined) throw new Error('no TGT')
    count('TGS', 'renewed')
    expect(grant).toMatchObject({ service: POLICY.tgs, startTime: now, renewTill: old.renewTill })
    expect(grant.endTime).toBeLessThanOrEqual(old.renewTill ?? 0)
    const ticket = { ...old, start: now, end: grant.endTime, sealed: decodeTicket(grant.ticket) }
    this.#world.give(actor, { ticket, caveats: [], key: startChain(grant.key) })
  }

  #takeGrants(actor: string, shown: Chain, granted: readonly Granted[], { grants }: Reply): void {
    expect(grants.map(grant => grant.service)).toEqual(granted.map(({ service }) => service))
    for (const [i, { service, ticket }] of granted.entries()) {
      count('TGS granted', shown.caveats.length > 0 ? 'under caveats' : 'free')
      const grant = grants[i] as Grant
      const sealed = decodeTicket(grant.ticket)
      const opened = openTicket(sealed, this.#world.serviceKey(service).key)
      expect(opened.caveats.map(toHex)).toEqual(encodeAll(ticket.caveats).map(toHex))
      expect(opened).toMatchObject({
        client: ticket.client as Principal,
        startTime: ticket.start,
        flags: ticket.delegable ? 1 : 0,
        claims: ticket.claims,
        renewTill: null,
      })
      expect(opened.endTime).toBeGreaterThan(ticket.start)
      expect(opened.endTime).toBeLessThanOrEqual(ticket.end)
      this.#requireCarried([actor], shown, ticket.caveats, service)
      const link = { ticket: { ...ticket, end: opened.endTime, sealed }, caveats: [] }
      this.#world.give(actor, { ...link, key: startChain(grant.key) })
    }
  }

  /** The same without keys: nothing was lost of something that the actor was handed. */
  #requireCarried(
    actors: readonly string[],
    shown: Chain,
    within: readonly PlainCaveat[],
    service: string,
  ): void {
    const texts = within.map(caveat => JSON.stringify(caveat))
    const isKept = (caveat: PlainCaveat): boolean => {
      const [name, list]: PlainCaveat = caveat
      if (name !== 'services') return texts.includes(JSON.stringify(caveat))
      return typeof list === 'object' && list.includes(service)
    }
    const links = this.#linksOf(actors, shown)
    expect(links.some(link => [...link.ticket.caveats, ...link.caveats].every(isKept))).toBe(true)
  }
}

function questionOf(presentation: Pick<Sent, 'own' | 'delegated'>, time: number): ApQuestion {
  return { ...shownPart(presentation), time, nonce: systemRandom(16), binding: systemRandom(32) }
}

async function accept(
  { principal, key }: Identity,
  bytes: Uint8Array,
  { now, method, target }: RequestFacts,
): Promise<AcceptedRequest | OrthrusError> {
  try {
    return await acceptRequest(bytes, {
      type: TYPE.AP_REQ,
      service: principal,
      tickets: { open: ticket => openTicket(ticket, key) },
      replayCache: { admit: () => ({ now, floor: 0 }) },
      clock: { now: () => now, monotonic: () => 0 },
      method,
      target,
      checkers: new Map([['tenant', value => value === TENANT]]),
    })
  } catch (cause) {
    if (cause instanceof OrthrusError) return cause
    throw cause
  }
}

function inOrder(which: 'both' | 'reversed' | 'own' | 'delegated', own: Leg, delegated: Leg): [Leg, Leg?] {
  if (which === 'both') return [own, delegated]
  if (which === 'reversed') return [delegated, own]
  return [which === 'own' ? own : delegated]
}

function isSameDelegated(one: Presentation['delegated'], other: Presentation['delegated']): boolean {
  if (one === undefined || other === undefined) return one === other
  return isSame(one, other) && one.client === other.client
}

function shownPart({ own, delegated }: Pick<Sent, 'own' | 'delegated'>) {
  return {
    ticket: own.ticket.sealed,
    caveats: encodeAll(own.caveats),
    delegated: delegated
      ? {
          ticket: delegated.ticket.sealed,
          caveats: encodeAll(delegated.caveats),
          client: parsePrincipal(delegated.client),
        }
      : null,
  }
}

const ACTOR = whole('web')
const RIGHT = { edit: { kind: 'none' }, forgery: 'honest', ticket: undefined } as const

it('no way of handing on, cutting up or putting together makes more of a ticket than its weakest link', async () => {
  const ground = await prepareGround()
  await fc.assert(
    fc.asyncProperty(program, async drawn => {
      const run = new Run(ground, drawn)
      for (const step of drawn.steps) await run.take(step)
    }),
    { numRuns: RUNS },
  )
  // A test that refuses everything, or meets no attack, proves nothing.
  for (const [what, share] of Object.entries(EXPECTED)) {
    expect([what, (seen.get(what) ?? 0) / RUNS >= share, seen.get(what)]).toEqual([
      what,
      true,
      seen.get(what),
    ])
  }
})

it('no spelling of a path leads out of the prefixes of a ticket', async () => {
  const world = new World(await prepareGround(), [])
  const uncut = pick(world.held(ACTOR), 1)
  const outcomes = new Map<string, number>()
  await fc.assert(
    fc.asyncProperty(
      fc.array(pathText, { minLength: 1, maxLength: 2 }),
      pathText,
      fc.boolean(),
      async (...drawn) => {
        const [prefixes, text, continues] = drawn
        const link = attenuated(uncut, [['paths', prefixes]])
        const { shown, key } = legOf(world, [link], { link: 0, added: [], ...RIGHT })
        const target = continues ? `${prefixes[0]}${text}` : text
        const facts = { service: shown.ticket.service, now: START + 1, method: 'GET', target }
        const presentation = { own: shown, delegated: undefined, proved: [link] }
        const { bytes } = createApRequest(TYPE.AP_REQ, key, questionOf(presentation, facts.now))
        const outcome = await accept(world.serviceKey(facts.service), bytes, facts)
        const code = outcome instanceof OrthrusError ? outcome.code : 'accepted'
        expect(code).toBe(serviceVerdict(presentation, facts).code)
        outcomes.set(code, (outcomes.get(code) ?? 0) + 1)
      },
    ),
    { numRuns: RUNS * 10 },
  )
  for (const code of ['accepted', 'caveat_failed']) expect(outcomes.get(code)).toBeGreaterThan(RUNS / 3)
})

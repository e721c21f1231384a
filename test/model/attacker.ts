import { fromBase64url, toHex } from '../../shared/bytes.js'
import { TYPE } from '../../shared/constants.js'
import {
  combineAuthKeys,
  deriveAuthKey,
  extendChain,
  finishChain,
  startChain,
} from '../../shared/crypto/derive.js'
import { AuthKey, ChainKey, revealKey, SessionKey } from '../../shared/crypto/keys.js'
import { createMessage } from '../../shared/encoding/message.js'
import { createApRequest, decodeApRequest } from '../../shared/exchange/ap.js'
import { createAsRequest, decodeAsRequest, openAsReply } from '../../shared/exchange/as.js'
import { createTgsRequest, decodeTgsRequest, openTgsReply } from '../../shared/exchange/tgs.js'
import { requestBinding } from '../../shared/http/binding.js'
import { CREDENTIAL_HEADER } from '../../shared/http/header-names.js'
import { formatMessageHeader } from '../../shared/http/headers.js'
import type { KeytabEntry } from '../../shared/keytab/keytab.js'
import type { Principal } from '../../shared/principal.js'
import { openHandOff, parseCredential } from '../../shared/ticket/credential.js'
import type { Grant } from '../../shared/ticket/grant.js'
import { decodeTicket, openTicket, type SealedTicket, sealTicket } from '../../shared/ticket/ticket.js'
import { HOUR } from '../../shared/time.js'
import { ATTACKERS, BILLING, KDC, KRBTGT, ORDERS, PEOPLE } from './cast.js'
import { require } from './reference.js'
import type { SeenLetter } from './seen.js'
import type { Letter } from './service-host.js'
import { messageIn, readCaveat } from './view.js'
import type { World } from './world.js'

/** What the attacker can do with a ticket: it has the chain's key or, from a closed hand-off, only its last key. */
export interface Power {
  readonly ticket: SealedTicket
  readonly service: string
  readonly client: string
  /** Hex; `own` for a ticket that the attacker made itself. */
  readonly id: string
  /** Presented with it. */
  readonly caveats: readonly Uint8Array[]
  readonly key: ChainKey | AuthKey
}

export interface KdcAsking {
  readonly services: readonly string[]
  readonly lifetime: number
  readonly renew: boolean
  /** Of the stamp, from the KDC's clock. */
  readonly offset: number
}

export interface ApAsking {
  readonly method: string
  readonly target: string
  readonly body: string
  readonly time: number
  /** A delegated ticket beside the first. */
  readonly delegated?: Shown & { readonly client: string }
}

/** A ticket as the attacker shows it, and the key that it uses. */
export interface Shown {
  readonly ticket: SealedTicket
  readonly caveats: readonly Uint8Array[]
  readonly key: AuthKey
}

/** Reads everything that is sent, has a few keys of its own, and makes what it likes of them. */
export class Attacker {
  readonly #world: World
  /** Long-term keys that it has. */
  readonly identities: KeytabEntry[]
  readonly powers: Power[] = []
  readonly #known = new Set<string>()
  /** What was read, with all keys that are known. */
  #read = new WeakSet<object>()
  #again = false

  private constructor(world: World) {
    this.#world = world
    this.identities = ATTACKERS.map(name => world.key(name))
  }

  /** It is registered, and begins with what policy gives it. */
  static async start(world: World): Promise<Attacker> {
    const attacker = new Attacker(world)
    for (const entry of attacker.identities) {
      const asking = { services: [ORDERS, BILLING, KDC], lifetime: 0, renew: true, offset: 0 }
      await attacker.login(entry, entry.principal, asking)
    }
    return attacker
  }

  /** A long-term key that it got hold of. */
  takeKey(entry: KeytabEntry): void {
    this.identities.push(entry)
    this.#readAgain()
    this.eavesdrop()
  }

  /** A principal of its own that is made again has another key; a stolen key is then useless. */
  renewKey(entry: KeytabEntry): void {
    const at = this.identities.findIndex(({ principal }) => principal === entry.principal)
    if (at >= 0 && ATTACKERS.includes(entry.principal)) this.identities.splice(at, 0, entry)
  }

  /** Logs in with a key of its own, in its own name or another's. */
  async login(entry: KeytabEntry, client: string, asking: KdcAsking): Promise<void> {
    const { services, lifetime, renew, offset } = asking
    const request = createAsRequest(entry.key, {
      client: client as Principal,
      // A person knows no kvno.
      kvno: PEOPLE.includes(entry.principal) ? 0 : entry.kvno,
      time: this.#kdcTime(offset),
      nonce: this.#world.random(16),
      services: services as Principal[],
      lifetime,
      renewable: renew,
    })
    await this.#world.askKdc(request.bytes)
    this.eavesdrop()
  }

  /**
   * Asks under a TGT.
   * @param shown what it presents in place of what the key stands for
   */
  async tgs(power: Power, shown: Shown, { services, lifetime, renew, offset }: KdcAsking): Promise<void> {
    const { key, ticket, caveats } = shown
    const request = createTgsRequest(key, ticket, {
      caveats,
      time: this.#kdcTime(offset),
      nonce: this.#world.random(16),
      services: services as Principal[],
      lifetime,
      renew,
    })
    const reply = await this.#world.askKdc(request.bytes)
    this.#tryOpen(() => openTgsReply(key, request, reply).grants, power.client)
    this.eavesdrop()
  }

  #kdcTime(offset: number): number {
    return Math.max(0, this.#world.kdc.clock.now() + offset)
  }

  /** What the power stands for with these further caveats. */
  shown({ ticket, caveats, key }: Power, added: readonly Uint8Array[]): Shown {
    if (key instanceof AuthKey && added.length === 0) return { ticket, caveats, key }
    // A closed one has no key to extend; its last key may be tried in its place.
    const chain = key instanceof AuthKey ? new ChainKey(revealKey(key).slice()) : key
    return { ticket, caveats: [...caveats, ...added], key: finishChain(added.reduce(extendChain, chain)) }
  }

  /** A request of its own making. */
  letter({ ticket, caveats, key }: Shown, { method, target, body, time, delegated }: ApAsking): Letter {
    const headers = [['content-type', 'text/plain']] as const
    const under = delegated === undefined ? key : combineAuthKeys(key, delegated.key)
    const { bytes } = createApRequest(TYPE.AP_REQ, under, {
      ticket,
      caveats,
      time: Math.max(0, time),
      nonce: this.#world.random(16),
      binding: requestBinding(method, target, headers, Buffer.from(body)),
      delegated: delegated === undefined ? null : { ...delegated, client: delegated.client as Principal },
    })
    return { method, target, body, headers: [...headers, ['authorization', formatMessageHeader(bytes)]] }
  }

  /** A ticket sealed with a key of its own, in any name and for any service. */
  makeTicket(entry: KeytabEntry, client: string, service: string, kvno: number, bound: boolean): Power {
    const now = this.#world.kdc.clock.now()
    const key = new SessionKey(this.#world.random(32))
    const content = {
      ticketId: this.#world.random(16),
      client: client as Principal,
      clientId: this.#world.random(8),
      key,
      authTime: now,
      startTime: now - 1,
      endTime: now + HOUR,
      renewTill: now + HOUR,
      flags: 1,
      claims: [['role', 'reader']] as const,
      caveats: [],
    }
    const name = (bound ? service : entry.principal) as Principal
    const sealed = sealTicket(name, bound ? kvno : entry.kvno, entry.key, content, this.#world.random)
    const ticket = decodeTicket(createMessage(TYPE.TICKET, [service, kvno, sealed.box]))
    return { ticket, service, client, id: 'own', caveats: [], key: startChain(key) }
  }

  /** A credential that somebody handed to it. */
  take(text: string): Power | undefined {
    const { ticket, caveats, key, service, client } = parseCredential(text)
    const issued = this.#world.identify(ticket.bytes)
    if (issued === undefined) return undefined
    const power = { ticket, service, client, id: issued.id, caveats, key }
    this.#learn(power)
    return power
  }

  /** Reads everything that can be read with the known keys, and again if that gave new keys. */
  eavesdrop(): void {
    const { letters, questions } = this.#world
    do {
      this.#again = false
      for (const seen of letters.filter(letter => !this.#read.has(letter))) this.#readLetter(seen)
      for (const { request, replies } of questions) {
        for (const reply of replies.filter(one => !this.#read.has(one))) this.#readReply(request, reply)
      }
    } while (this.#again)
  }

  /** With a new key, what was read before may reveal more. */
  #readAgain(): void {
    this.#read = new WeakSet()
    this.#again = true
  }

  /** Tickets for its own service, and what clients handed to it. */
  #readLetter(seen: SeenLetter): void {
    this.#read.add(seen)
    const { letter } = seen
    const bytes = messageIn(letter)
    if (bytes === undefined) return
    const request = quietly(() => decodeApRequest(TYPE.AP_REQ, bytes))
    if (request === undefined) return
    for (const { ticket, caveats } of [request, ...(request.delegated ? [request.delegated] : [])]) {
      const opened = this.#openOwn(ticket)
      if (opened === undefined) continue
      this.#learnKey(ticket, opened.client, toHex(opened.ticketId), opened.key)
      const box = letter.headers.find(([name]) => name === CREDENTIAL_HEADER)?.[1]
      if (box === undefined || request.delegated !== null) continue
      const key = deriveAuthKey(opened.key, caveats)
      const handed = quietly(() => openHandOff(key, request.nonce, fromBase64url(box)))
      if (handed === undefined) continue
      const { ticket: inner, caveats: within, key: chain, service, client } = handed
      const issued = this.#world.identify(inner.bytes)
      if (issued !== undefined) {
        this.#learn({ ticket: inner, service, client, id: issued.id, caveats: within, key: chain })
      }
    }
  }

  /** Tries each long-term key that it has: what is for others must not open. */
  #openOwn(ticket: SealedTicket) {
    if (this.#world.identify(ticket.bytes) === undefined) return undefined
    for (const { key } of this.identities) {
      const opened = quietly(() => openTicket(ticket, key))
      if (opened !== undefined) return opened
    }
    return undefined
  }

  #readReply(bytes: Uint8Array, reply: Uint8Array): void {
    this.#read.add(reply)
    if (reply[1] === TYPE.AS_REP) {
      const request = quietly(() => decodeAsRequest(bytes))
      if (request === undefined) return
      for (const { key } of this.identities) {
        this.#tryOpen(() => openAsReply(key, request, reply).grants, request.client)
      }
    }
    if (reply[1] !== TYPE.TGS_REP) return
    const request = quietly(() => decodeTgsRequest(bytes))
    if (request === undefined) return
    const mine = this.powers.filter(
      ({ service, ticket }) => service === KRBTGT && same(ticket.bytes, request.tgt.bytes),
    )
    for (const power of mine) {
      const key = leadingTo(power, request.caveats)
      if (key !== undefined) this.#tryOpen(() => openTgsReply(key, request, reply).grants, power.client)
    }
  }

  #tryOpen(open: () => readonly Grant[], client: string): void {
    const grants = quietly(open) ?? []
    for (const { ticket, ticketId, key } of grants) {
      this.#learnKey(decodeTicket(ticket.slice()), client, toHex(ticketId), key)
    }
  }

  /** Steals the session key in a grant. */
  steal(ticket: SealedTicket, client: string, id: string, key: ChainKey): void {
    this.#learn({ ticket, service: ticket.service, client, id, caveats: [], key })
    this.eavesdrop()
  }

  #learnKey(ticket: SealedTicket, client: string, id: string, key: SessionKey): void {
    if (!this.#known.has(`${id} 0`)) {
      this.#learn({ ticket, service: ticket.service, client, id, caveats: [], key: startChain(key) })
    }
  }

  /** It must learn only what the reference says can be learnt. */
  #learn(power: Power): void {
    const ticket = this.#world.reference.tickets.get(power.id)
    const name = `${power.id} ${power.caveats.length}${power.key instanceof AuthKey ? ' closed' : ''}`
    if (ticket === undefined || this.#known.has(name)) return
    const caveats = power.caveats.map(readCaveat)
    this.#world.judge.guarded(() => {
      const may = this.#world.reference.mayUse({ ticket, caveats })
      require(may, `the attacker got a key of ${power.client} for ${power.service}`)
    })
    this.#known.add(name)
    this.powers.push(power)
    // Under a TGT of its own only it has asked, and it has read the answers.
    if (power.service === KRBTGT && !ATTACKERS.includes(power.client)) this.#readAgain()
    const whose = ATTACKERS.includes(power.client) ? 'a ticket of its own' : 'a key of somebody else'
    this.#world.tally.count(`the attacker has ${whose}`)
  }
}

/** The key of the presented chain, if the power's key leads to it. */
function leadingTo({ caveats, key }: Power, presented: readonly Uint8Array[]): AuthKey | undefined {
  if (!caveats.every((caveat, i) => presented[i] !== undefined && same(caveat, presented[i])))
    return undefined
  if (key instanceof AuthKey) return caveats.length === presented.length ? key : undefined
  return finishChain(presented.slice(caveats.length).reduce(extendChain, key))
}

/** Nothing if the attempt fails, as most attempts do. */
export function quietly<T>(attempt: () => T): T | undefined {
  try {
    return attempt()
  } catch {
    return undefined
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

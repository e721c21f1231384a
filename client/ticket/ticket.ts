import { LIMIT } from '../../shared/constants.js'
import { extendChain, finishChain } from '../../shared/crypto/derive.js'
import type { AuthKey, ChainKey } from '../../shared/crypto/keys.js'
import { caveatBytes } from '../../shared/encoding/fields.js'
import { OrthrusError } from '../../shared/errors.js'
import { type KnownOptions, requireKnownOptions } from '../../shared/options.js'
import { localPart, type Principal, realmOf, ticketGrantingService } from '../../shared/principal.js'
import { decodeCaveat, earliestExpiry } from '../../shared/ticket/caveats.js'
import { type Credential, formatCredential } from '../../shared/ticket/credential.js'
import type { SealedTicket } from '../../shared/ticket/ticket.js'
import { type Attenuation, caveatsOf } from './attenuation.js'
import { HandedOn } from './handed-on.js'

/** The parts of a ticket that only the exchanges need. */
export interface TicketSecrets {
  readonly sealed: SealedTicket
  /** The caveats presented with it, in the order of the chain (docs/protocol.md section 5). */
  readonly caveats: readonly Uint8Array[]
  /** `K_n`, from which further caveats are chained. Undefined in a closed ticket. */
  readonly chain: ChainKey | undefined
  /** `A_n`, the MAC key of requests under the ticket. */
  readonly key: AuthKey
  /** The only principal that may present it, beside a ticket of its own. */
  readonly holder: Principal | undefined
}

export interface CredentialOptions {
  /** Makes a credential that can be used but not cut down further. Default false. */
  readonly closed?: boolean
}

const CREDENTIAL_OPTIONS: KnownOptions<CredentialOptions> = { closed: true }

export interface TicketFacts {
  readonly service: Principal
  readonly client: Principal
  /** Hex; undefined if another party handed it on, since its credential does not say. */
  readonly ticketId?: string
  readonly endTime: number
  readonly imported: boolean
  /** Whether this client asked the KDC for a ticket for that service. Otherwise another party chose the service. */
  readonly serviceNamed: boolean
  /** Whether the client's own tickets, beside which it may be presented, prove a service. */
  readonly ownProved: boolean
  /** The current KDC time, milliseconds, for durations relative to now. */
  readonly now: () => number
}

/** For the modules that present or hand on a ticket. */
export let secretsOf: (ticket: Ticket) => TicketSecrets
/** Records that another party knows the ticket's key from now on. */
let handOn: (ticket: Ticket) => void
/** Whether everything known about the ticket comes from another party. */
export let isImported: (ticket: Ticket) => boolean
/** The id of the ticket that it is or was cut from, hex; undefined if another party handed it on. */
export let ticketIdOf: (ticket: Ticket) => string | undefined
/** Whether this client itself named the ticket's service. It did not if another party handed the ticket on. */
export let isServiceNamed: (ticket: Ticket) => boolean

/** A ticket that can be presented, cut down and handed on. Its keys are not accessible. */
export class Ticket {
  readonly service: Principal
  /** The client that the ticket was granted to. */
  readonly client: Principal
  /** The end of the ticket, or of an `expires` caveat that comes earlier, milliseconds of KDC time. */
  readonly endTime: number
  /** The names of the caveats that were added to it, in order. */
  readonly caveats: readonly string[]
  readonly #secrets: TicketSecrets
  readonly #facts: TicketFacts
  /** Shared by the whole ticket and all tickets cut from it. */
  readonly #handedOn: HandedOn

  constructor(facts: TicketFacts, secrets: Omit<TicketSecrets, 'holder'>, whole?: Ticket) {
    const caveats = secrets.caveats.map(decodeCaveat)
    const holder = caveats.find(caveat => caveat.name === 'holder')?.holder
    this.service = facts.service
    this.client = facts.client
    this.endTime = Math.min(facts.endTime, earliestExpiry(caveats))
    this.caveats = Object.freeze(caveats.map(({ name }) => name))
    this.#secrets = { ...secrets, holder }
    this.#facts = facts
    this.#handedOn = whole === undefined ? new HandedOn() : whole.#handedOn
  }

  static {
    const genuine = (ticket: Ticket): Ticket => {
      if (typeof ticket === 'object' && ticket !== null && #secrets in ticket) return ticket
      throw new TypeError('a ticket must come from getServiceTicket, getTgt, attenuate or import')
    }
    secretsOf = ticket => genuine(ticket).#secrets
    handOn = ticket => {
      ticket.#handedOn.add(ticket.#secrets.caveats)
    }
    isImported = ticket => ticket.#facts.imported
    ticketIdOf = ticket => ticket.#facts.ticketId
    isServiceNamed = ticket => genuine(ticket).#facts.serviceNamed
  }

  /**
   * Whether an answer under this ticket proves the service. It does not if another party knows the key: the party that
   * handed the ticket on, or a party that was given this ticket, the ticket that it was cut from, or one cut down in
   * the same way. A ticket presented beside the client's own still proves the service (docs/protocol.md section 5).
   */
  get serviceProved(): boolean {
    if (this.#secrets.holder !== undefined) return !this.#facts.imported || this.#facts.ownProved
    return !this.#facts.imported && !this.#handedOn.covers(this.#secrets.caveats)
  }

  /**
   * Makes a weaker ticket locally, without the KDC. This ticket stays as it is. The new caveats and the earlier ones
   * must all hold (docs/protocol.md section 5).
   * @throws OrthrusError `credential_invalid` for a closed ticket; `too_large` beyond 16 caveats or 2 KiB of them;
   * `delegation_invalid` if policy does not allow `to`
   * @throws TypeError for what no caveat can express
   */
  attenuate(attenuation: Attenuation): Ticket {
    const { chain, sealed, caveats } = this.#secrets
    if (chain === undefined) {
      throw new OrthrusError('credential_invalid', 'a closed ticket cannot be cut down further', {
        final: true,
        hint: 'ask whoever handed it on for one that is not closed',
      })
    }
    if (attenuation.to !== undefined) this.requireDelegable()
    const added = caveatsOf(attenuation, realmOf(this.client), this.#facts.now())
    const all = [...caveats, ...added]
    requireLimits(all)
    const extended = added.reduce(extendChain, chain)
    const cut = { sealed, caveats: all, chain: extended, key: finishChain(extended) }
    return new Ticket(this.#facts, cut, this)
  }

  /**
   * The ticket as a string, so that it can be handed on. It is a secret unless it names a holder.
   * @throws TypeError for a ticket that was not cut down, and for a closed TGT, because its service tickets could still
   * be cut down
   */
  credential(options: CredentialOptions = {}): string {
    requireKnownOptions('credential', options, CREDENTIAL_OPTIONS)
    return formatCredential(credentialOf(this, options.closed === true))
  }

  /** @throws OrthrusError `delegation_invalid` if this ticket cannot be delegated, as far as the client knows */
  protected requireDelegable(): void {
    if (this.service !== ticketGrantingService(realmOf(this.client))) return
    throw new OrthrusError('delegation_invalid', 'a TGT is not handed to a named delegate', {
      final: true,
      hint: 'name the delegate in a ticket for the service: (await realm.getServiceTicket(...)).attenuate({ to })',
    })
  }
}

function requireLimits(caveats: readonly Uint8Array[]): void {
  if (caveats.length <= LIMIT.CAVEATS && caveatBytes(caveats) <= LIMIT.CAVEATS_BYTES) return
  throw new OrthrusError('too_large', 'a ticket can have at most 16 caveats, of 2 KiB together', {
    final: true,
    hint: 'use fewer caveats, for example one list of paths instead of several',
  })
}

/**
 * The credential of a ticket that was cut down (docs/protocol.md section 8, "Hand-off"). A whole ticket is never handed
 * on, because its receiver could act as the client at the service, and as the service towards the client.
 */
export function credentialOf(ticket: Ticket, closed: boolean): Credential {
  const { sealed, caveats, chain, key } = secretsOf(ticket)
  const { service, client, endTime } = ticket
  if (closed && service === ticketGrantingService(realmOf(client))) {
    throw new TypeError('a TGT cannot be closed: its service tickets can still be cut down')
  }
  if (caveats.length === 0) {
    throw new TypeError('a whole ticket is not handed on: ticket.attenuate({ to, expires }) first')
  }
  handOn(ticket)
  return { ticket: sealed, caveats, key: closed ? key : (chain ?? key), service, client, endTime }
}

/** The error for a client that may not delegate. */
export function notDelegable(client: Principal, service: Principal): OrthrusError {
  return new OrthrusError(
    'delegation_invalid',
    `policy does not let ${client} delegate tickets for ${service}`,
    {
      final: true,
      principal: client,
      service,
      hint: `run: orthrus admin allow ${localPart(client)} ${localPart(service)} --delegable`,
    },
  )
}

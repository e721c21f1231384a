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

/** What of a ticket only the exchanges need. */
export interface TicketSecrets {
  readonly sealed: SealedTicket
  /** Presented with it, in the order of the chain (docs/protocol.md section 5). */
  readonly caveats: readonly Uint8Array[]
  /** `K_n`, which more caveats begin from; none in a closed ticket. */
  readonly chain: ChainKey | undefined
  /** `A_n`: what requests under the ticket are MAC'd with. */
  readonly key: AuthKey
  /** Who alone may present it, beside a ticket of its own. */
  readonly holder: Principal | undefined
}

export interface CredentialOptions {
  /** It can be used, but not cut down further. Default false. */
  readonly closed?: boolean
}

const CREDENTIAL_OPTIONS: KnownOptions<CredentialOptions> = { closed: true }

export interface TicketFacts {
  readonly service: Principal
  readonly client: Principal
  readonly endTime: number
  readonly imported: boolean
  /** Whether tickets of one's own, beside which it may be presented, prove a service. */
  readonly ownProved: boolean
  /** Milliseconds of KDC time, for what is said relative to now. */
  readonly now: () => number
}

/** For the modules that present or hand on a ticket. */
export let secretsOf: (ticket: Ticket) => TicketSecrets
/** From now on another party knows the ticket's key. */
let handOn: (ticket: Ticket) => void
/** Whether what is known of the ticket is only what another party said. */
export let isImported: (ticket: Ticket) => boolean

/** A ticket that can be presented, cut down, and handed on. Its keys show nowhere. */
export class Ticket {
  readonly service: Principal
  /** In whose name it speaks. */
  readonly client: Principal
  /** Milliseconds, KDC time: the end of the ticket or of a caveat, whichever comes first. */
  readonly endTime: number
  /** The names of the caveats that were added to it, in their order. */
  readonly caveats: readonly string[]
  readonly #secrets: TicketSecrets
  readonly #facts: TicketFacts
  /** One for the whole ticket and all that is cut from it. */
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
    secretsOf = ticket => {
      if (typeof ticket === 'object' && ticket !== null && #secrets in ticket) return ticket.#secrets
      throw new TypeError('a ticket is what getServiceTicket, getTgt, attenuate or import gave')
    }
    handOn = ticket => {
      ticket.#handedOn.add(ticket.#secrets.caveats)
    }
    isImported = ticket => ticket.#facts.imported
  }

  /**
   * Whether an answer under this ticket proves the service. It does not where another party knows the key: because that
   * party handed the ticket on, or because this ticket, what it was cut from, or one cut down in the same way was handed
   * to it. A ticket that is presented beside one's own still proves the service (docs/protocol.md section 5).
   */
  get serviceProved(): boolean {
    if (this.#secrets.holder !== undefined) return !this.#facts.imported || this.#facts.ownProved
    return !this.#facts.imported && !this.#handedOn.covers(this.#secrets.caveats)
  }

  /**
   * A weaker ticket, made without asking anybody; this one stays as it is. All that is said must hold together with
   * what was said before (docs/protocol.md section 5).
   * @throws OrthrusError `credential_invalid` for a closed ticket; `too_large` beyond 16 caveats or 2 KiB of them;
   * `delegation_invalid` where policy lets nobody be named in `to`
   * @throws TypeError for what no caveat can say
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
   * The ticket as text, to hand it on: a secret, unless it names a holder.
   * @throws TypeError for a ticket that was not cut down, and for a closed TGT: the tickets that it gets could still be
   * cut down
   */
  credential(options: CredentialOptions = {}): string {
    requireKnownOptions('credential', options, CREDENTIAL_OPTIONS)
    return formatCredential(credentialOf(this, options.closed === true))
  }

  /** Whether `to` can be of use at all, as far as this ticket knows. @throws OrthrusError `delegation_invalid` */
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
  throw new OrthrusError('too_large', 'a ticket is presented with at most 16 caveats, of 2 KiB together', {
    final: true,
    hint: 'say it with fewer: one list of paths in place of several',
  })
}

/**
 * What is handed on of a ticket (docs/protocol.md section 8, "Hand-off"). Never all of it: whoever has that can be the
 * client at that service, and answer the client in its place.
 */
export function credentialOf(ticket: Ticket, closed: boolean): Credential {
  const { sealed, caveats, chain, key } = secretsOf(ticket)
  const { service, client, endTime } = ticket
  if (closed && service === ticketGrantingService(realmOf(client))) {
    throw new TypeError('a TGT cannot be closed: the tickets that it gets can still be cut down')
  }
  if (caveats.length === 0) {
    throw new TypeError('a whole ticket is not handed on: ticket.attenuate({ to, expires }) first')
  }
  handOn(ticket)
  return { ticket: sealed, caveats, key: closed ? key : (chain ?? key), service, client, endTime }
}

/** The next step for a client that may not delegate. */
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

import { FLAG } from '../constants.js'
import { deriveAuthKey } from '../crypto/derive.js'
import { keepChain, keptChains } from '../crypto/derived-keys.js'
import type { AuthKey } from '../crypto/keys.js'
import { OrthrusError } from '../errors.js'
import type { ApRequest } from '../exchange/ap.js'
import { type Caveat, decodeCaveat, type Facts, requireCaveats } from '../ticket/caveats.js'
import type { OpenedTicket, SealedTicket } from '../ticket/ticket.js'

/** One ticket of a request with its caveats: deriving its key, and steps 6 and 7 of docs/protocol.md section 8. */

/** Opens the tickets of one service. @throws OrthrusError `ticket_invalid` */
export interface TicketOpener {
  open(ticket: SealedTicket): OpenedTicket
  /** Reports how many bytes are kept now with a ticket that it opened, so that its memory stays bounded. */
  keeps?(ticket: SealedTicket, opened: OpenedTicket, bytes: number): void
}

export interface PresentedTicket {
  readonly ticket: OpenedTicket
  /** The caveats that the request adds to those in the ticket. */
  readonly presented: readonly Uint8Array[]
}

/** A ticket with the key that the request's MAC must be made with. Nobody has proved that key yet. */
export interface UnprovedTicket extends PresentedTicket {
  readonly sealed: SealedTicket
  readonly key: AuthKey
}

/** @throws OrthrusError `ticket_invalid` */
export function openPresented(
  tickets: TicketOpener,
  { ticket: sealed, caveats }: Pick<ApRequest, 'ticket' | 'caveats'>,
): UnprovedTicket {
  const ticket = tickets.open(sealed)
  return { sealed, ticket, presented: caveats, key: deriveAuthKey(ticket.key, caveats) }
}

/** Remembers the chain's key for the next request. Call it only after the MAC was checked: strangers leave no trace. */
export function keepPresented(
  tickets: TicketOpener,
  { sealed, ticket, presented, key }: UnprovedTicket,
): PresentedTicket {
  const kept = keepChain(ticket.key, presented, key)
  const isNew = kept.length > 0 && kept !== presented && !counted.has(kept)
  if (isNew) {
    counted.add(kept)
    tickets.keeps?.(sealed, ticket, sizeOfAll(keptChains(ticket.key)))
  }
  return { ticket, presented: kept }
}

/** A chain of no caveats takes what every ticket takes. */
function sizeOfAll(chains: readonly (readonly Uint8Array[])[]): number {
  return chains.reduce((sum, chain) => sum + (chain.length === 0 ? 0 : sizeOf(chain)), 0)
}

/** Chains whose memory has been reported. */
const counted = new WeakSet<readonly Uint8Array[]>()

/**
 * Measured with Node 20 and rounded up: the chain with its key and its caveats, at worst lists of the shortest texts.
 */
function sizeOf(chain: readonly Uint8Array[]): number {
  return chain.reduce((sum, { length }) => sum + 256 + 12 * length, 512)
}

/** Step 6. Only a well-formed `holder` counts. Step 7 checks whether it names the presenter. */
export function requireDelegation(request: ApRequest, { ticket, presented }: PresentedTicket): void {
  const fault = delegationFault(request, ticket, [...ticket.caveats, ...presented])
  if (fault === undefined) return
  throw new OrthrusError('delegation_invalid', fault, { final: true, principal: ticket.client })
}

function delegationFault(
  request: ApRequest,
  ticket: OpenedTicket,
  caveats: readonly Uint8Array[],
): string | undefined {
  if ((ticket.flags & FLAG.DELEGABLE) === 0)
    return `policy does not let ${ticket.client}'s ticket be delegated`
  if (!caveats.some(isHolder)) return 'the delegated ticket names no holder'
  if (request.delegated?.client !== ticket.client)
    return 'the presenter names a different client than the ticket'
  return undefined
}

function isHolder(bytes: Uint8Array): boolean {
  try {
    return decodeCaveat(bytes).name === 'holder'
  } catch {
    return false
  }
}

/** Step 7 for one ticket: the caveats in it, then those presented with it. */
export function requirePresented({ ticket, presented }: PresentedTicket, facts: Facts): Caveat[] {
  const within = ticket.caveats.map(decodeCaveat)
  requireCaveats(within, facts)
  const own = presented.map(decodePresented)
  for (const caveat of own) {
    try {
      requireCaveats([caveat], facts)
    } catch (cause) {
      throw namingCaveat(cause, caveat.name)
    }
  }
  return [...within, ...own]
}

/** @throws OrthrusError `caveat_failed` */
export function decodePresented(bytes: Uint8Array): Caveat {
  try {
    return decodeCaveat(bytes)
  } catch (cause) {
    throw namingCaveat(cause, 'of unknown form')
  }
}

/**
 * Names the caveat in an error. The presenter may know which of its own caveats failed; it is told nothing about those
 * in the ticket.
 */
export function namingCaveat(cause: unknown, caveat: string): unknown {
  if (!(cause instanceof OrthrusError)) return cause
  return new OrthrusError(cause.code, cause.reason, { ...cause.facts, final: cause.final, caveat })
}

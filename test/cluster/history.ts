/**
 * What happened in a run, as the driver saw it from outside and as the KDCs' draws of ticket ids tell. All times are
 * milliseconds of the machine's monotonic clock, which its processes share.
 */

export interface Span {
  readonly began: number
  /** `Infinity` for what was never answered, which may have happened at any time since it began. */
  readonly ended: number
}

/** Something that administrators set, such as `principal web`, and what it was set to. */
export interface Fact {
  readonly on: string
  readonly is: string
}

export interface Deed extends Span {
  readonly kind: 'deed'
  readonly kdc: string
  readonly what: string
  readonly sets: readonly Fact[]
  /** `unknown`: the KDC did not answer, or said that it may have been made. */
  readonly outcome: 'done' | 'refused' | 'unknown'
  readonly code?: string
  /** Tickets of these clients that were granted before are dead. */
  readonly endsTicketsOf?: string
  /** The service whose older keys are dead, and the kvno of its only key. */
  readonly endsKeysOf?: { readonly service: string; readonly kvno: number }
  readonly endsTicket?: string
  /** The number of its entry in the revocation log. */
  readonly seq?: number
}

/** What a KDC showed to an administrator. */
export interface Reading extends Span {
  readonly kind: 'reading'
  readonly kdc: string
  readonly found: readonly Fact[]
}

/** A ticket was sealed: its id was drawn, which a KDC does in the step in which it seals. */
export interface Seal {
  readonly kind: 'seal'
  readonly kdc: string
  readonly at: number
  readonly ticketId: string
}

export interface Granted {
  readonly service: string
  readonly kvno: number
  readonly ticketId: string
  /** A digest of the key that opened it; `undefined` if none of those that the name ever had does, or nobody but the KDC knows it. */
  readonly key: string | undefined
}

/** A login or a question for tickets, put to one KDC. */
export interface Ask extends Span {
  readonly kind: 'ask'
  readonly kdc: string
  readonly exchange: 'AS' | 'TGS'
  readonly client: string
  /** `silence` if nothing came. */
  readonly outcome: string
  readonly granted: readonly Granted[]
  readonly denied: readonly Fact[]
  /** The client knows of nothing that is wrong with what it showed: no revocation was begun. */
  readonly isSound: boolean
}

/** Somebody came to have a key of a name, or to be about to. */
export interface Born {
  readonly kind: 'born'
  readonly principal: string
  readonly kvno: number
  readonly key: string
  /** From when on tickets may be sealed under it; `undefined` while its holder has not logged in with it. */
  readonly mayServe: number | undefined
}

/** A host took part in an invitation: its login under the key that it was given went well. */
export interface Joined {
  readonly kind: 'joined'
  readonly at: number
  readonly invitation: string
  readonly uses: number
  readonly host: string
}

/** A ticket was shown to a service. */
export interface Call extends Span {
  readonly kind: 'call'
  readonly service: string
  readonly client: string
  /** `undefined` where the client chooses it. */
  readonly ticketId: string | undefined
  readonly kvno: number | undefined
  /** `accepted`, or why not. */
  readonly outcome: string
  /** Whether it is of a client from whom nothing was taken, with a ticket in hand. */
  readonly isHonest: boolean
}

/** A client that wanted a new ticket, asked until it had it. */
export interface Wanted extends Span {
  readonly kind: 'wanted'
  readonly client: string
  readonly service: string
  readonly outcome: 'granted' | 'given up'
  readonly tries: number
}

/** A member, a KDC or a connection of it was not there. */
export interface Down extends Span {
  readonly kind: 'down'
  readonly what: 'member' | 'kdc'
  readonly name: string
  readonly fault: string
}

/**
 * All members of etcd began again with what was saved earlier. What was changed after it was saved is lost, and whoever had
 * it restored knows that.
 */
export interface Restored extends Span {
  readonly kind: 'restored'
  /** When the saving began. */
  readonly saved: number
  /** The KDCs, and when each was started again. */
  readonly startedAgain: ReadonlyMap<string, number>
  /** Those that said before they were started again that the store had gone back. */
  readonly noticed: readonly string[]
}

/** A process that nobody had stopped got no time of the machine. */
export interface Stall extends Span {
  readonly kind: 'stall'
  /** The KDC; `undefined` for the driver. */
  readonly of?: string
}

/** What the driver did (schedule.ts). */
export interface Performed extends Span {
  readonly kind: 'act'
  readonly name: string
}

export type Happening =
  | Performed
  | Deed
  | Reading
  | Seal
  | Ask
  | Born
  | Joined
  | Call
  | Wanted
  | Down
  | Stall
  | Restored

export type History = readonly Happening[]

export function ofKind<K extends Happening['kind']>(
  history: History,
  kind: K,
): Extract<Happening, { readonly kind: K }>[] {
  return history.filter(
    (happening): happening is Extract<Happening, { readonly kind: K }> => happening.kind === kind,
  )
}

/** Something that must not happen, in words, and what shows it. */
export interface Violation {
  readonly rule: Rule
  readonly says: string
}

export type Rule =
  | 'lost change'
  | 'late grant'
  | 'key'
  | 'late refusal'
  | 'invitation'
  | 'failed call'
  | 'slow ticket'
  | 'refused ticket'
  | 'unheard seal'
  | 'log of revocations'
  | 'late denial'
  | 'store gone back'

/** A time of the history as people read it: seconds since its first happening would need all of it. */
export function at(time: number): string {
  return Number.isFinite(time) ? `${(time / 1000).toFixed(3)} s` : 'never'
}

import { type Ask, at, type Born, type Granted, type History, ofKind, type Violation } from '../history.js'

/** A kvno belongs to one key for ever, and seals nothing before its holder is known to have it. */
export function keyFaults(history: History): Violation[] {
  const born = ofKind(history, 'born')
  const byName = new Map<string, Born[]>()
  for (const birth of born) {
    const name = nameOf(birth.principal, birth.kvno)
    byName.set(name, [...(byName.get(name) ?? []), birth])
  }
  return [...twice(byName), ...early(history, byName), ...outlived(history)]
}

function nameOf(principal: string, kvno: number): string {
  return `${principal} kvno ${kvno}`
}

function twice(byName: ReadonlyMap<string, readonly Born[]>): Violation[] {
  return [...byName].flatMap(([name, births]): Violation[] => {
    const keys = new Set(births.map(({ key }) => key))
    return keys.size < 2 ? [] : [{ rule: 'key', says: `${name} belongs to ${keys.size} keys` }]
  })
}

/** Tickets under a key that nobody had, that another key opens, or that its holder has not shown to have. */
function early(history: History, byName: ReadonlyMap<string, readonly Born[]>): Violation[] {
  return eachGrant(history).flatMap(({ granted, sealed, ask }): Violation[] => {
    const { service, kvno, key } = granted
    // Nobody but the KDCs knows these keys.
    if (/^(krbtgt|kdc)(@|$)/.test(service)) return []
    const name = nameOf(service, kvno)
    const births = byName.get(name) ?? []
    const [birth] = births
    if (birth === undefined)
      return [{ rule: 'key', says: `${ask.kdc} sealed under ${name}, which nobody was given` }]
    if (key === undefined || !births.some(born => born.key === key))
      return [{ rule: 'key', says: `what ${ask.kdc} sealed under ${name} opens with no key of that kvno` }]
    const from = Math.min(...births.map(({ mayServe }) => mayServe ?? Number.POSITIVE_INFINITY))
    return sealed >= from
      ? []
      : [
          {
            rule: 'key',
            says: `${ask.kdc} sealed under ${name} at ${at(sealed)}, before its holder had logged in with it (${at(from)})`,
          },
        ]
  })
}

/** Nothing is sealed under a key once it was acknowledged that another one is the only one. */
function outlived(history: History): Violation[] {
  const ends = ofKind(history, 'deed').filter(({ outcome, endsKeysOf }) => outcome === 'done' && endsKeysOf)
  return eachGrant(history).flatMap(({ granted, sealed, ask }) =>
    ends.flatMap(({ endsKeysOf, ended, kdc }): Violation[] => {
      if (endsKeysOf?.service !== granted.service || granted.kvno >= endsKeysOf.kvno || sealed <= ended)
        return []
      const says = `${ask.kdc} sealed under ${nameOf(granted.service, granted.kvno)} ${(sealed - ended).toFixed(1)} ms after ${kdc} acknowledged kvno ${endsKeysOf.kvno} as the only one`
      return [{ rule: 'key', says }]
    }),
  )
}

interface Sealed {
  readonly ask: Ask
  readonly granted: Granted
  readonly sealed: number
}

function eachGrant(history: History): Sealed[] {
  const seals = new Map(ofKind(history, 'seal').map(({ ticketId, at }) => [ticketId, at]))
  return ofKind(history, 'ask').flatMap(ask =>
    ask.granted.map(granted => ({ ask, granted, sealed: seals.get(granted.ticketId) ?? ask.began })),
  )
}

/** What one KDC sealed the others take, as soon as its client has it. */
export function refusedTickets(history: History): Violation[] {
  return ofKind(history, 'ask').flatMap(({ kdc, client, exchange, outcome, isSound, began }): Violation[] => {
    if (!isSound || !['ticket_invalid', 'auth_failed', 'revoked', 'principal_disabled'].includes(outcome))
      return []
    const says = `${kdc} answered ${outcome} at ${at(began)} to a sound ${exchange} request of ${client}`
    return [{ rule: 'refused ticket', says }]
  })
}

import { type Ask, at, type Granted, type History, ofKind, type Violation } from '../history.js'
import { certainAt, type Registers, registersOf } from './registers.js'

/**
 * Nothing is sealed for anybody from whom it was taken, once that was acknowledged. Where no KDC told when it sealed a
 * ticket, it was after the question for it began.
 */
export function lateGrants(history: History): Violation[] {
  const registers = registersOf(history)
  const seals = new Map(ofKind(history, 'seal').map(seal => [seal.ticketId, seal]))
  return ofKind(history, 'ask').flatMap(ask =>
    ask.granted.flatMap((granted): Violation[] => {
      const sealed = seals.get(granted.ticketId)?.at ?? ask.began
      return needsOf(ask, granted).flatMap(need => takenAway(registers, need, sealed, ask))
    }),
  )
}

interface Need {
  readonly on: string
  readonly is: readonly string[]
}

function needsOf({ client }: Ask, { service }: Granted): Need[] {
  const enabled = { on: `principal ${client}`, is: ['enabled'] }
  if (/^(krbtgt|kdc)(@|$)/.test(service)) return [enabled]
  return [
    enabled,
    { on: `principal ${service}`, is: ['enabled'] },
    { on: `rule ${client} ${service}`, is: ['allow'] },
    { on: `access ${client} ${service}`, is: ['given'] },
  ]
}

function takenAway(registers: Registers, { on, is }: Need, sealed: number, ask: Ask): Violation[] {
  const certain = certainAt(registers, on, sealed)
  if (certain === undefined || is.includes(certain.is)) return []
  const { deed } = certain
  const late = (sealed - deed.ended).toFixed(1)
  const says = `${ask.kdc} sealed a ticket for ${ask.client} ${late} ms after ${deed.kdc} acknowledged that ${on} is ${certain.is} (${at(deed.ended)}, by "${deed.what}")`
  return [{ rule: 'late grant', says }]
}

/** Each ticket that came was drawn by a KDC that told of it: else the times above are not to be believed. */
export function unheardSeals(history: History): Violation[] {
  const seals = new Set(ofKind(history, 'seal').map(({ ticketId }) => ticketId))
  return ofKind(history, 'ask').flatMap(({ granted, kdc }) =>
    granted.flatMap(({ ticketId, service }): Violation[] =>
      seals.has(ticketId)
        ? []
        : [
            {
              rule: 'unheard seal',
              says: `no KDC told that it sealed ${ticketId} for ${service}, of ${kdc}`,
            },
          ],
    ),
  )
}

import { at, type Down, type History, ofKind, type Span, type Stall, type Violation } from '../history.js'

/** What clients get while no more than one member and one KDC are away. */

export interface Patience {
  /** How long a new ticket may take, milliseconds. */
  readonly newTicket: number
  /** How long after more than that was away nothing is expected yet, milliseconds. */
  readonly recovery: number
}

/**
 * A machine that gave a process no time for so long, milliseconds, is overloaded: nobody knows then what the members of etcd
 * got, and how soon anything came is not judged.
 */
const LONG_STALL = 400

/** No call with a held ticket fails. */
export function failedCalls(history: History, { recovery }: Patience): Violation[] {
  const rough = [...roughSpans(ofKind(history, 'down'), recovery), ...starved(history, recovery)]
  return ofKind(history, 'call').flatMap((call): Violation[] => {
    if (!call.isHonest || call.outcome === 'accepted' || touches(rough, call)) return []
    const says = `a call of ${call.client} to ${call.service} at ${at(call.began)} came to ${call.outcome}`
    return [{ rule: 'failed call', says }]
  })
}

/** New tickets come in time; when the driver or a KDC waited for the machine is not counted. */
export function slowTickets(history: History, { newTicket, recovery }: Patience): Violation[] {
  const rough = [...roughSpans(ofKind(history, 'down'), recovery), ...starved(history, recovery)]
  const stalls = unwanted(history)
  return ofKind(history, 'wanted').flatMap((wanted): Violation[] => {
    if (touches(rough, wanted)) return []
    const took = wanted.ended - wanted.began - stalledIn(stalls, wanted)
    if (wanted.outcome === 'granted' && took <= newTicket) return []
    const says = `${wanted.client} waited ${took.toFixed(0)} ms from ${at(wanted.began)} for a ticket for ${wanted.service} (${wanted.outcome}, ${wanted.tries} tries)`
    return [{ rule: 'slow ticket', says }]
  })
}

/** Stalls of processes that nobody had stopped. */
function unwanted(history: History): Stall[] {
  const downs = ofKind(history, 'down')
  return ofKind(history, 'stall').filter(({ of, began, ended }) =>
    downs.every(down => down.name !== of || down.began >= ended || down.ended <= began),
  )
}

function starved(history: History, recovery: number): Span[] {
  return unwanted(history)
    .filter(({ began, ended }) => ended - began >= LONG_STALL)
    .map(({ began, ended }) => ({ began, ended: ended + recovery }))
}

/** When more than one member, or more than one KDC, was away, and for a while after. */
export function roughSpans(downs: readonly Down[], recovery: number): Span[] {
  return (['member', 'kdc'] as const).flatMap(what => {
    const those = downs.filter(down => down.what === what)
    return those.flatMap((one, index) =>
      those
        .slice(index + 1)
        .filter(other => other.name !== one.name && other.began < one.ended && one.began < other.ended)
        .map(other => ({
          began: Math.max(one.began, other.began),
          ended: Math.min(one.ended, other.ended) + recovery,
        })),
    )
  })
}

function touches(spans: readonly Span[], { began, ended }: Span): boolean {
  return spans.some(span => span.began < ended && began < span.ended)
}

/** How long at least one of them was stalled within a span. */
function stalledIn(stalls: readonly Span[], { began, ended }: Span): number {
  let sum = 0
  let upTo = began
  for (const stall of stalls.toSorted((a, b) => a.began - b.began)) {
    const from = Math.max(upTo, stall.began)
    const to = Math.min(ended, stall.ended)
    if (to > from) sum += to - from
    upTo = Math.max(upTo, to)
  }
  return sum
}

import { ageWords, durationWords } from '../parts/words.js'
import type { MapNode } from './clusters.js'
import type { PrincipalKind } from './directory.js'
import type { FirstSeen } from './first-seen.js'
import { rateOf, rateText } from './rates.js'
import type { Edge } from './traffic.js'

/** What the map says, in words. */

export const KIND_WORDS: Readonly<Record<PrincipalKind, string>> = {
  person: 'person',
  service: 'service',
  machine: 'client',
  unknown: 'no such principal',
}

/** `12 tickets a minute`, of a window; denied ones are said besides. */
export function rateWords(total: Pick<Edge, 'granted' | 'denied'>, window: number): string {
  const rate = rateText(rateOf({ granted: total.granted, denied: 0 }, window))
  const denied = countText(total.denied)
  return `${rate} tickets a minute${denied === '0' ? '' : `, ${denied} denied`}`
}

/** A count that may be a share of what was before: what is left of it is at least 1. */
export function countText(count: number): string {
  return String(Math.max(0, Math.ceil(count - 0.001)))
}

/** The name of a node as far as it fits beside others: the whole is in its tooltip. */
export function labelOf({ kind, name, members }: MapNode, realm: string): string {
  if (kind === 'others') return `${members.length} others`
  const short = name.endsWith(`@${realm}`) ? name.slice(0, -realm.length - 1) : name
  const letters = Array.from(short)
  return letters.length <= LABEL_MAX ? short : `${letters.slice(0, LABEL_MAX - 1).join('')}…`
}

const LABEL_MAX = 18

/** `first seen 2 min ago` */
export function newnessWords(first: FirstSeen, now: number): string {
  return 'at' in first ? `first seen ${ageWords(first.at, now)}` : 'first seen within the last hour'
}

/** With what it was compared. */
export function comparedWords(since: number | null | undefined, now: number): string {
  if (since === undefined) return 'The log from before is still being read, so nothing is marked as new.'
  const log =
    since === null ? 'all of the log that is kept' : `the log of the last ${durationWords(now - since)}`
  return `New: in ${log} this client never asked for this service before.`
}

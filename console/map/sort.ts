import type { FirstSeen } from './first-seen.js'
import type { Edge } from './traffic.js'

/** In which order the table has its rows. */

export const SORTINGS = [
  { by: 'rate', title: 'Tickets' },
  { by: 'denied', title: 'Denied' },
  { by: 'new', title: 'First seen' },
  { by: 'last', title: 'Last' },
  { by: 'client', title: 'Client' },
  { by: 'service', title: 'Service' },
] as const

export type SortName = (typeof SORTINGS)[number]['by']

export interface Sorting {
  readonly by: SortName
  readonly isDown: boolean
}

/** What is the same in what is sorted by, is in the order of its names. */
export function compareRows(
  { by, isDown }: Sorting,
  newnessOf: (pair: Edge) => FirstSeen | undefined,
): (a: Edge, b: Edge) => number {
  const sign = isDown ? -1 : 1
  const compare = COMPARISONS[by](newnessOf)
  return (a, b) => sign * compare(a, b) || byText(a.client, b.client) || byText(a.service, b.service)
}

type Comparison = (newnessOf: (pair: Edge) => FirstSeen | undefined) => (a: Edge, b: Edge) => number

const COMPARISONS: Readonly<Record<SortName, Comparison>> = {
  rate: () => (a, b) => a.granted - b.granted,
  denied: () => (a, b) => a.denied - b.denied,
  new: newnessOf => (a, b) => timeOf(newnessOf(a)) - timeOf(newnessOf(b)),
  last: () => (a, b) => a.at - b.at,
  client: () => (a, b) => byText(a.client, b.client),
  service: () => (a, b) => byText(a.service, b.service),
}

/** What is not new is older than all that is. */
function timeOf(first: FirstSeen | undefined): number {
  if (first === undefined) return 0
  return 'at' in first ? first.at : first.after
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Lines of the log are numbered without gaps, so what a page did not see is known by its numbers. */

export interface Numbered {
  readonly n: number
  /** ISO 8601, in UTC. */
  readonly at: string
}

/** Lines that were not seen: those behind one and before another. */
export interface Hole {
  readonly after: Numbered
  readonly before: Numbered
  readonly count: number
}

/** What a line means to whoever follows. */
export type Step =
  /** The next one, or the first. */
  | { readonly kind: 'next' }
  /** Seen already. */
  | { readonly kind: 'repeated' }
  /** Lines before it were not seen. */
  | { readonly kind: 'hole'; readonly hole: Hole }
  /** It stands in another log: the folder was replaced, or another KDC answers. Nothing is known of what was between. */
  | { readonly kind: 'other log'; readonly after: Numbered; readonly before: Numbered }

/** A lower number at a later time is of another log. */
export function stepBetween(last: Numbered | undefined, line: Numbered): Step {
  if (last === undefined || line.n === last.n + 1) return { kind: 'next' }
  if (line.n > last.n + 1)
    return { kind: 'hole', hole: { after: last, before: line, count: line.n - last.n - 1 } }
  if (Date.parse(line.at) <= Date.parse(last.at)) return { kind: 'repeated' }
  return { kind: 'other log', after: last, before: line }
}

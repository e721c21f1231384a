import { MINUTE } from '../../shared/time.js'
import type { Edge } from './traffic.js'

/** How often, in numbers and in the width of a line. */

/** Tickets a minute, over the window. */
export function rateOf({ granted, denied }: Pick<Edge, 'granted' | 'denied'>, window: number): number {
  return (granted + denied) / (window / MINUTE)
}

/** `12`, `1.5`, `0.08`, `<0.01`: a rate as it is shown. */
export function rateText(rate: number): string {
  if (rate >= 10) return String(Math.round(rate))
  if (rate >= 0.1) return String(Math.round(rate * 10) / 10)
  if (rate >= 0.01) return String(Math.round(rate * 100) / 100)
  return rate > 0 ? '<0.01' : '0'
}

const WIDTHS = { least: 1, most: 9 } as const

/** How wide an edge is drawn, pixels: by the logarithm of its rate, so that one ticket an hour and a thousand a minute both show. */
export function widthOf(rate: number): number {
  const magnitude = (Math.log10(Math.max(rate, 0.01)) + 2) / 5.5
  return WIDTHS.least + (WIDTHS.most - WIDTHS.least) * Math.min(1, magnitude)
}

const FADES = [
  [5_000, 1],
  [MINUTE, 0.75],
  [10 * MINUTE, 0.55],
] as const

/** How strongly an edge is drawn, by how long ago its last ticket was. */
export function strengthOf(since: number): number {
  return FADES.find(([within]) => since < within)?.[1] ?? 0.35
}

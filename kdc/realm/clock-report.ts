import { SECOND } from '../../shared/time.js'
import type { Report } from '../report/report.js'
import type { ClockState, KdcTime } from './kdc-time.js'

/** What a KDC reports about its own clock. */

/** Reports each leap of the clock from now on. */
export function reportClock(time: KdcTime, report: Report): void {
  time.onLeap({
    leapt: by => report.tell({ kind: 'clock_leapt', by, ...time.look(), hint: LEAPT }),
    steady: leapt => report.tell({ kind: 'clock_steady', leapt }),
  })
}

const LEAPT =
  'if this clock is wrong now, set it: tickets are given the wrong times, and clients and services with right clocks refuse them'

/** What the KDC knows to be wrong with its clock, in words; `undefined` if it knows of nothing. */
export function clockFault({ leapt }: ClockState): string | undefined {
  if (leapt === 0) return undefined
  const way = leapt > 0 ? 'ahead' : 'back'
  return `this KDC's clock leapt ${way} by ${seconds(leapt)} s, so it may be wrong`
}

function seconds(time: number): number {
  return Math.round(Math.abs(time) / SECOND)
}

import { SECOND } from '../../shared/time.js'
import type { Report } from '../report/report.js'
import type { ClockState, KdcTime } from './kdc-time.js'

/** What a KDC reports about its own clock. */

/** Reports whether the clock is behind the newest stored time, and from now on each leap. */
export function reportClock(time: KdcTime, report: Report): void {
  const { behind } = time.look()
  if (behind > 0) report.tell({ kind: 'clock_behind', behind, hint: BEHIND })
  time.onLeap({
    leapt: by => {
      const state = time.look()
      report.tell({ kind: 'clock_leapt', by, ...state, hint: state.behind > 0 ? BEHIND : LEAPT })
    },
    steady: leapt => report.tell({ kind: 'clock_steady', leapt }),
  })
}

const LEAPT =
  'if this clock is wrong now, set it before anything in the realm is changed: a change stores the time, and KDC time never goes below that'
const BEHIND =
  'if this clock is wrong, set it; if it is right, a change was made while it was ahead, and KDC time stands still until the clock gets there'

/** What the KDC knows to be wrong with its clock, in words; `undefined` if it knows of nothing. */
export function clockFault({ leapt, behind }: ClockState): string | undefined {
  if (behind > 0) {
    return `this KDC's clock is ${seconds(behind)} s behind the newest time that it stored; KDC time stands still until the clock reaches it`
  }
  if (leapt === 0) return undefined
  const way = leapt > 0 ? 'ahead' : 'back'
  return `this KDC's clock leapt ${way} by ${seconds(leapt)} s, so it may be wrong`
}

function seconds(time: number): number {
  return Math.round(Math.abs(time) / SECOND)
}

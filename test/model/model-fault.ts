import type { DeliberateFault } from '../deliberate-faults.js'

export interface ModelFault extends DeliberateFault {
  /** What the runs that look for it are about, if not everything. */
  readonly about?: 'policy'
  /**
   * The run that found it last, where many do not: the search begins with it. Where what is drawn has changed since, it
   * goes on from there and takes longer; then the run that it prints belongs here.
   */
  readonly foundAt?: number
}

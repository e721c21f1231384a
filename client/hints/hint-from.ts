import { SECOND } from '../../shared/time.js'
import { abortable } from '../../shared/timers.js'
import type { HINTS } from './hints.js'

/** Tuning: for how long an error waits for its hint, milliseconds. */
const WAIT_MAX = 2 * SECOND

/**
 * The next step for a person, who gets it with the error. The words are in a file that a page loads when something fails for the
 * first time. Nothing but words depends on it: where it cannot be had in time, as without a network, the error says so.
 */
export async function hintFrom<Hint extends string | undefined>(
  tell: (hints: typeof HINTS) => Hint,
): Promise<Hint | string> {
  const loading = abortable(import('./hints.js'), AbortSignal.timeout(WAIT_MAX))
  const loaded = await loading.catch(() => undefined)
  return loaded === undefined ? NOT_LOADED : tell(loaded.HINTS)
}

const NOT_LOADED =
  'what to do next is in a file of this page that could not be loaded: see "Errors" in docs/browsers.md of orthrus'

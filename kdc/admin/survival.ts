import type { RealmLifetimes } from '../../shared/administration/realm.js'
import { malformed } from '../../shared/errors.js'
import { lifeThatLeaves } from '../../shared/ticket/refresh.js'
import { HOUR, MINUTE } from '../../shared/time.js'
import { LIFETIME, SHORTENING } from '../limits/defaults.js'

/** The lifetimes that let clients go on while no KDC can be reached: pure functions of values, in milliseconds. */

type Lives = Pick<RealmLifetimes, 'maxTgtLife' | 'maxServiceLife'>

/** A refresh may come this late: the KDC was slow, or refused one attempt. */
const LATE = 5 * MINUTE

/**
 * A ticket in use has always as much left as an outage may take. It ends with its TGT at the latest, so the TGT must have
 * the whole life of such a ticket left whenever one is asked for.
 */
export function livesToSurvive(outage: number): Lives {
  const granted = lifeThatLeaves(outage + LATE)
  return { maxServiceLife: shortened(granted), maxTgtLife: shortened(lifeThatLeaves(granted)) }
}

/** The life of which this much remains after the KDC shortened it at random; a long one in whole hours, for people. */
function shortened(life: number): number {
  const longest = life / (1 - SHORTENING)
  const unit = longest > 2 * HOUR ? HOUR : MINUTE
  return Math.ceil(longest / unit) * unit
}

/** The settings that bear on it, before a change. */
export interface Surviving extends RealmLifetimes {
  readonly survive: number | null
}

/**
 * The lifetimes once `survive` is changed: as long as they must be, and longer where an administrator chose so. Those that
 * the setting had made long go back to the defaults with it.
 */
export function livesFor(survive: number | null, before: Surviving): Lives {
  const made = before.survive === null ? undefined : livesToSurvive(before.survive)
  const least = survive === null ? { maxTgtLife: 0, maxServiceLife: 0 } : livesToSurvive(survive)
  const service = ownLife(before.maxServiceLife, made?.maxServiceLife, LIFETIME.SERVICE)
  const tgt = ownLife(before.maxTgtLife, made?.maxTgtLife, LIFETIME.TGT)
  return {
    maxServiceLife: Math.max(service, least.maxServiceLife),
    maxTgtLife: Math.max(tgt, least.maxTgtLife),
  }
}

/** @param made the life that the setting before made @returns the one that an administrator chose, or the default */
function ownLife(life: number, made: number | undefined, usual: number): number {
  return life === made ? usual : life
}

/** @throws OrthrusError `malformed` if a life is too short for what is to be survived */
export function requireSurvival({ survive, ...lives }: Surviving): void {
  if (survive === null) return
  const least = livesToSurvive(survive)
  for (const name of ['maxServiceLife', 'maxTgtLife'] as const) {
    if (lives[name] >= least[name]) continue
    throw malformed(
      `${name} is at least ${least[name] / MINUTE} min as long as an outage of ${survive / MINUTE} min is to be survived: change survive too`,
    )
  }
}

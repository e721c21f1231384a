import { OrthrusError } from '../../shared/errors.js'
import { DECISION_ATTEMPTS } from '../limits/defaults.js'
import type { Directory, View } from './directory.js'
import type { MaybePromise } from './maybe-promise.js'

/**
 * Decides from records, and seals what was decided only if no record changed meanwhile; otherwise it decides again. So
 * nothing is sealed any more from a record whose change an administrator was told of, at whichever KDC.
 * @param lookUp reads what the decision needs, through the view
 * @param seal decides and seals, without waiting
 * @throws OrthrusError `unavailable` if the records keep changing, or this KDC may not have heard of all changes, and what
 * the two throw
 */
export async function decideFromCurrent<T, R>(
  directory: Directory,
  lookUp: (view: View) => MaybePromise<T>,
  seal: (found: T) => R,
): Promise<R> {
  for (let attempts = DECISION_ATTEMPTS; attempts > 0; attempts--) {
    const view = directory.view()
    const found = lookUp(view)
    const value = found instanceof Promise ? await found : found
    if (view.isCurrent()) {
      directory.requireCurrent()
      const sealed = seal(value)
      // The process may have been stopped in the middle of this step, until after an administrator was answered.
      directory.requireCurrent()
      return sealed
    }
  }
  throw new OrthrusError('unavailable', 'the records of the request keep changing', { hint: 'try again' })
}

import { refusalAnswer } from '../shared/administration/refusal-text.js'
import type { KeptRefusal } from '../shared/administration/refusals.js'
import { formatTime } from '../shared/time.js'
import { answerText } from './why-text.js'

/** What `orthrus admin why --id` prints of a refusal: pure functions of what the KDC remembers. */

/** For people. */
export function refusalText(refusal: KeptRefusal): string {
  return answerText(refusalAnswer(refusal))
}

/** For `--json`. */
export function refusalObject(refusal: KeptRefusal): object {
  return { ...refusal, at: formatTime(refusal.at), next: refusalAnswer(refusal).steps }
}

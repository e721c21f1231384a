import { refusalAnswer } from '../shared/administration/refusal-text.js'
import type { KeptRefusal } from '../shared/administration/refusals.js'
import { formatTime } from '../shared/time.js'
import { answerText } from './why-text.js'

/** What `orthrus admin why --id` prints of a refusal: pure functions of what the KDC remembers. */

/** For people. @param kdc which of several refused */
export function refusalText(refusal: KeptRefusal, kdc?: string): string {
  const told = refusalAnswer(refusal)
  return answerText(kdc === undefined ? told : { ...told, facts: [['KDC', kdc], ...told.facts] })
}

/** For `--json`. */
export function refusalObject(refusal: KeptRefusal): object {
  return { ...refusal, at: formatTime(refusal.at), next: refusalAnswer(refusal).steps }
}

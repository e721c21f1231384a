import { UNSEEN } from '../../shared/unseen.js'

/**
 * Text that somebody else chose, as it may be shown: characters that would not be seen, or would turn the text around it,
 * stand as marks. What is left cannot pretend to be another name.
 */

export function visibleText(text: string): string {
  return text.replace(UNSEEN, '\uFFFD')
}

import { UNSEEN } from './unseen.js'

/**
 * Text from elsewhere, as claims of a rule, the message of an error and the headers of a response are. A terminal obeys
 * some characters instead of showing them: they move its cursor, colour or hide what was printed before, answer in the
 * user's place, and turn the direction of text round. Others it draws as nothing, so that one text passes for another. They are
 * written out as `\u001b`.
 */

/** Text of several lines. */
export function printable(text: string): string {
  return text.replace(UNSEEN, found => (found === '\t' || found === '\n' ? found : writtenOut(found)))
}

/** Text that stays on its line, so that it cannot look like a line of its own. */
export function printableLine(text: string): string {
  return text.replace(UNSEEN, writtenOut)
}

/** A document that means the same to a machine, and is harmless on a terminal. */
export function printableJson(value: unknown): string {
  return printable(JSON.stringify(value))
}

/** As JSON has it: beyond the first plane, in two halves. */
function writtenOut(character: string): string {
  return character
    .split('')
    .map(half => `\\u${half.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('')
}

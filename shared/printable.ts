/**
 * Text from elsewhere, as claims of a rule, the message of an error and the headers of a response are. A terminal obeys
 * some characters instead of showing them: they move its cursor, colour or hide what was printed before, answer in the
 * user's place, and turn the direction of text round. They are written out as `\u001b`.
 */

/** All control characters but tab and line feed, and the characters of Unicode that end lines or turn directions. */
const CONTROLS =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g
const TAB_OR_LINE_FEED = /[\t\n]/g

/** Text of several lines. */
export function printable(text: string): string {
  return text.replace(CONTROLS, writtenOut)
}

/** Text that stays on its line, so that it cannot look like a line of its own. */
export function printableLine(text: string): string {
  return printable(text).replace(TAB_OR_LINE_FEED, writtenOut)
}

/** A document that means the same to a machine, and is harmless on a terminal. */
export function printableJson(value: unknown): string {
  return printable(JSON.stringify(value))
}

/** As JSON has it. */
function writtenOut(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

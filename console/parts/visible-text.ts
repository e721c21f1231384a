/**
 * Text that somebody else chose, as it may be shown: characters that would not be seen, or would turn the text around it,
 * stand as marks. What is left cannot pretend to be another name.
 */

/** Controls, what joins or parts letters invisibly, directions of writing, and halves of characters. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu

export function visibleText(text: string): string {
  return text.replace(UNSEEN, '\uFFFD')
}

/**
 * Text that somebody else chose, as it may be shown: characters that would not be seen, or would turn the text around it,
 * stand as marks. What is left cannot pretend to be another name.
 */

/**
 * Controls, what joins or parts letters invisibly, directions of writing, halves of characters, and letters and signs that are
 * drawn as nothing, as a filler of Hangul or an empty cell of Braille.
 */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/gu

export function visibleText(text: string): string {
  return text.replace(UNSEEN, '\uFFFD')
}

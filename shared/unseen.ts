/**
 * Characters that are not seen as themselves: controls, what joins or parts letters invisibly, directions of writing, halves of
 * characters, and letters and signs that are drawn as nothing, as a filler of Hangul or an empty cell of Braille. Whoever may
 * choose a text could make it look like another one by them.
 */
export const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/gu

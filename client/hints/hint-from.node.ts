import { HINTS } from './hints.js'

/** Node has the words from the start. `hint-from.ts` has the same function for a page, which loads them when they are needed. */
export async function hintFrom<Hint extends string | undefined>(
  tell: (hints: typeof HINTS) => Hint,
): Promise<Hint | string> {
  return tell(HINTS)
}

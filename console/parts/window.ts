/** Which rows of a long list are drawn. */
export interface RowWindow {
  readonly first: number
  /** The one behind the last. */
  readonly end: number
}

/** Rows drawn above and below what is seen, so that scrolling shows no gap. */
const SPARE = 8

/** @param count of all rows. @param rowHeight @param top and height of what is seen, pixels */
export function windowOf(count: number, rowHeight: number, top: number, height: number): RowWindow {
  const first = Math.min(count, Math.max(0, Math.floor(top / rowHeight) - SPARE))
  return { first, end: Math.min(count, Math.ceil((top + height) / rowHeight) + SPARE) }
}

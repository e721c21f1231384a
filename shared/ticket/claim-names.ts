/** The order of claims: by the UTF-8 bytes of their names (docs/protocol.md section 4). */

const utf8 = new TextEncoder()

/** Compares by UTF-8 bytes, which differs from JavaScript's order beyond U+FFFF. */
export function compareNames(a: string, b: string): number {
  const left = utf8.encode(a)
  const right = utf8.encode(b)
  const shared = Math.min(left.length, right.length)
  for (let i = 0; i < shared; i++) {
    const difference = (left[i] as number) - (right[i] as number)
    if (difference !== 0) return difference
  }
  return left.length - right.length
}

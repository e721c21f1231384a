/**
 * Headers of `node:http` as they came. Its own objects of headers cannot be used: they merge, drop and fold headers that
 * came twice.
 * @param raw names and values by turns, as `rawHeaders` has them
 */
export function pairsOf(raw: readonly string[]): [name: string, value: string][] {
  const pairs: [string, string][] = []
  for (let i = 0; i < raw.length; i += 2) pairs.push([raw[i] as string, raw[i + 1] as string])
  return pairs
}

/** `1 rule`, `3 rules`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}

/** `a, b and 3 others` */
export function someOf(names: readonly string[], most = 5): string {
  const shown = names.slice(0, most)
  const rest = names.length - shown.length
  if (rest > 0) return `${shown.join(', ')} and ${counted(rest, 'other')}`
  const [last = '', ...before] = [...shown].reverse()
  return before.length === 0 ? last : `${before.reverse().join(', ')} and ${last}`
}

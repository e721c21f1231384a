/** What a command found out about something, in both forms: for machines, and as rows of a table for people. */

export interface Fact {
  /** For JSON. */
  readonly value: unknown
  /** For people: one line, several below each other, or rows of their own. */
  readonly text: string | readonly string[] | Facts
}

export interface Facts {
  readonly [name: string]: Fact
}

/** @param text if it is not the value as it stands */
export function fact(value: unknown, text: Fact['text'] = String(value)): Fact {
  return { value, text }
}

/** Facts about a part. */
export function group(facts: Facts): Fact {
  return { value: factValues(facts), text: facts }
}

export function factValues(facts: Facts): Record<string, unknown> {
  return Object.fromEntries(Object.entries(facts).map(([name, { value }]) => [name, value]))
}

/** One row for each line, the name in the first of them only. */
export function factRows(facts: Facts, indent = ''): string[][] {
  return Object.entries(facts).flatMap(([name, { text }]) => {
    const label = `${indent}${name}`
    if (typeof text === 'string') return [[label, text]]
    if (!isLines(text)) return [[label], ...factRows(text, `${indent}  `)]
    return text.length === 0 ? [[label, 'none']] : text.map((line, i) => [i === 0 ? label : '', line])
  })
}

function isLines(text: readonly string[] | Facts): text is readonly string[] {
  return Array.isArray(text)
}

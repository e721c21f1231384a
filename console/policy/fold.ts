import { isGroup, type Pattern } from '../../shared/pattern.js'
import { isPrincipal } from '../../shared/principal.js'

/** Many names of one side of the graph, folded to few nodes: by what their beginnings have in common. */

/** What is drawn in place of some patterns. */
export interface Fold {
  /** The pattern itself, or the beginning that its members have in common. */
  readonly key: string
  readonly members: readonly Pattern[]
}

/** How a name is shortened, step by step, until few enough are left. */
const LEVELS: readonly ((name: string) => string)[] = [
  name => name,
  name => name.replace(/\/.*$/, '/'),
  name => name.replace(/\/.*$/, '/').replace(/(?<=[a-z].*)[-._]?\d[\w.-]*$/, ''),
  name => name.replace(/[-._/].*$/, ''),
  name => name.slice(0, 2),
  name => name.slice(0, 1),
]

/**
 * Groups, instances of a name and everyone stay what they are: they stand for many already.
 * @param most how many nodes there may be, if folding can do it
 */
export function folded(patterns: readonly Pattern[], most: number): readonly Fold[] {
  const names = patterns.filter(isName)
  const others = patterns.filter(pattern => !isName(pattern))
  const room = Math.max(1, most - others.length)
  const level = LEVELS.find(shorten => new Set(names.map(name => shorten(localName(name)))).size <= room)
  const byKey = new Map<string, Pattern[]>()
  for (const name of names) {
    const key = (level ?? lastLevel)(localName(name))
    const members = byKey.get(key)
    if (members === undefined) byKey.set(key, [name])
    else members.push(name)
  }
  const folds = [...byKey].map(([key, members]): Fold => {
    const [only] = members
    return members.length === 1 && only !== undefined ? { key: only, members } : { key: `${key}…`, members }
  })
  return [...others.map(pattern => ({ key: pattern, members: [pattern] })), ...folds]
}

const lastLevel = LEVELS.at(-1) as (name: string) => string

function isName(pattern: Pattern): boolean {
  return isPrincipal(pattern) && !isGroup(pattern)
}

function localName(pattern: string): string {
  return pattern.slice(0, pattern.indexOf('@'))
}

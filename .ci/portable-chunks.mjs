import { pathOf } from './chunks.mjs'

/**
 * Which chunk each module is in that is no entry, for platforms other than Node. What a client loads at once is one chunk: of
 * several a bundler makes several files of a page, which together are a tenth larger when they are compressed.
 */
export class PortableChunks {
  #entries
  #graph = new Map()
  #users

  /** @param entries by the paths of their sources; the client comes first */
  constructor(entries) {
    this.#entries = entries
  }

  /** Takes down what a module imports, by the paths of sources. */
  add(id, { importedIds, dynamicallyImportedIds }) {
    this.#graph.set(pathOf(id), {
      now: importedIds.map(pathOf),
      later: dynamicallyImportedIds.map(pathOf),
    })
  }

  /** The name of a module's chunk. @returns null for one that Rolldown places: it belongs to one file, or is one */
  nameOf(id) {
    const path = pathOf(id)
    if (this.#entries.includes(path)) return null
    this.#users ??= this.#findUsers()
    const users = this.#users.get(path) ?? []
    const [first] = users
    if (first === this.#entries[0]) return nameOf(first)
    // Otherwise Rolldown would put it into one of these, which the others would load as a whole.
    return users.length > 1 ? users.map(nameOf).join('-') : null
  }

  /** The files that load each module at once: entries, and what is loaded later. */
  #findUsers() {
    const users = new Map()
    const later = [...this.#graph.values()].flatMap(({ later }) => later)
    for (const start of new Set([...this.#entries, ...later])) {
      const found = new Set([start])
      for (const path of found) {
        users.set(path, [...(users.get(path) ?? []), start])
        for (const target of this.#graph.get(path)?.now ?? []) found.add(target)
      }
    }
    return users
  }
}

function nameOf(path) {
  return /([\w-]+)(?:\/index)?\.tsx?$/.exec(path)?.[1]
}

import { relative, resolve } from 'node:path'

/**
 * Which chunk each module is in. A program loads few files, and none of them has much that it does not use. Where a module is
 * chosen when a program loads it (`imports` of package.json), that module is a file of its own and imports chunks as well,
 * so what comes before it and what comes after it are two chunks: with one, each would wait for the other.
 */

/** Those of which one program loads one or more, by the sources of their entries. */
const PARTIES = [
  ['command', /^cli\/orthrus\.ts$/],
  ['client', /^client\/(?:index|admin)\.ts$/],
  // It needs nothing of a service but what both do with headers.
  ['client', /^cli\/call-fetch\.ts$/],
  ['service', /^service\/(?:index|koa)\.ts$/],
  ['fastify', /^service\/fastify\.ts$/],
  ['fetch-handler', /^service\/fetch-handler\.ts$/],
  ['redis', /^service\/redis\.ts$/],
  // Loaded by a service that follows its KDC, or joins.
  ['follower', /^service\/feed\/(?:start-feed|join-service)\.ts$/],
  ['kdc', /^kdc\/index\.ts$/],
  // Of what a KDC runs on these two need a small part.
  ['init', /^cli\/(?:init|make-realm)\.ts$/],
  ['settings', /^cli\/(?:settings-together|config\/(?:resolve|print))\.ts$/],
]

/** The entries of a service, of which most programs load the first alone. */
const SERVING = ['service', 'fastify', 'fetch-handler', 'redis']

/** Whatever the table of the commands loads tells its help from these. */
const COMMANDS = { name: 'help', table: 'cli/commands.ts', program: 'cli/orthrus.ts', runner: 'cli/run.ts' }

/** From how many commands on a module of theirs is in the chunk that all of them load. */
const MANY = 5

/**
 * The chunk of what these use. Another file takes a program longer than some code that it does not need, so what a client
 * shares with a service is one chunk, what it shares with anybody else is the client's own, and what a service shares is
 * the service's. Most of a client is of no use to a service that follows no KDC, and is loaded by the others when they do.
 */
function chunkOf(users) {
  const serves = SERVING.some(name => users.has(name))
  if (users.has('client')) return serves ? 'client-service' : 'client'
  if (serves) return servedChunkOf(users)
  if (users.has('follower')) return users.has('kdc') ? 'service-kdc' : 'follower'
  return [...users].join('-')
}

/** What one of the further entries has for itself is in the file of that entry. */
function servedChunkOf(users) {
  if (users.has('kdc')) return 'service-kdc'
  return users.size === 1 && !users.has('service') ? null : 'service'
}

export class Chunks {
  #graph = new Map()
  #choices
  #users
  #levels = new Map()
  #shared
  #needed

  /** @param choices sources that are chosen from when a program loads them, by the name of the choice */
  constructor(choices) {
    this.#choices = choices
  }

  /** Takes down what a module imports, by the paths of sources. */
  add(id, { importedIds, dynamicallyImportedIds }) {
    const paths = ids => ids.map(id => (id.startsWith('#') ? id : pathOf(id)))
    this.#graph.set(pathOf(id), { now: paths(importedIds), later: paths(dynamicallyImportedIds) })
  }

  /** The name of a module's chunk. @returns null for one that Rolldown places: it belongs to one program */
  nameOf(id) {
    const path = pathOf(id)
    if (path.startsWith('cli/')) return this.#commandChunkOf(path)
    this.#users ??= this.#findUsers()
    const users = this.#users.get(path)
    if (users === undefined) return null
    this.#needed ??= this.#findNeeded()
    // What a choice needs comes before it, as what the help is told from does. Nothing waits for the rest.
    if (users.has('command')) return `command-${this.#levelOf(path)}`
    if (users.has(COMMANDS.name) || this.#needed.has(path)) return `help-${this.#levelOf(path)}`
    return chunkOf(users)
  }

  /**
   * What the command line needs before it knows the command, and what many commands have in common, which each of them loads
   * as a whole. @returns null for what belongs to a few
   */
  #commandChunkOf(path) {
    this.#shared ??= this.#findShared()
    return this.#shared.get(path) ?? null
  }

  #findShared() {
    const isApart = this.#startedApart()
    const closure = start => {
      const found = new Set([start])
      for (const path of found)
        for (const target of this.#graph.get(path)?.now ?? [])
          if (target.startsWith('cli/')) found.add(target)
      return found
    }
    const begun = closure(COMMANDS.program)
    const early = [...closure(COMMANDS.runner)].filter(path => !begun.has(path) && !isApart.has(path))
    const counts = new Map()
    for (const command of this.#graph.get(COMMANDS.table)?.later ?? [])
      for (const path of closure(command)) counts.set(path, (counts.get(path) ?? 0) + 1)
    const common = [...counts].filter(
      ([path, count]) => count >= MANY && !begun.has(path) && !isApart.has(path),
    )
    return new Map([
      ...common.map(([path]) => [path, 'commands']),
      ...early.map(path => [path, 'command-line']),
    ])
  }

  /** What is loaded when it is needed has a file of its own. */
  #startedApart() {
    return new Set([...this.#graph.values()].flatMap(({ later }) => later))
  }

  #findUsers() {
    const users = new Map()
    const mark = (name, start) => {
      const next = [...start]
      for (let path = next.pop(); path !== undefined; path = next.pop()) {
        const names = users.get(path) ?? new Set()
        if (names.has(name)) continue
        users.set(path, names.add(name))
        next.push(...this.#neededBy(path))
      }
    }
    for (const [name, entry] of PARTIES)
      mark(
        name,
        [...this.#graph.keys()].filter(path => entry.test(path)),
      )
    mark(COMMANDS.name, this.#graph.get(COMMANDS.table)?.later ?? [])
    return users
  }

  /** What a client loads later, for the sake of pages, others load at once: it has no chunk of its own. */
  #neededBy(path) {
    const { now = [], later = [] } = this.#graph.get(path) ?? {}
    const needed = path.startsWith('client/') ? [...now, ...later] : now
    return needed.flatMap(target => this.#choices.get(target) ?? target)
  }

  /** All that comes before a choice. */
  #findNeeded() {
    const found = new Set([...this.#choices.values()].flat())
    for (const path of found)
      for (const target of this.#graph.get(path)?.now ?? [])
        for (const each of this.#choices.get(target) ?? [target]) found.add(each)
    return found
  }

  /** What imports nothing of the project comes before every chunk, and none waits for it. */
  #levelBehind(choice) {
    const { now = [] } = this.#graph.get(choice) ?? {}
    const isLeaf = now.every(target => !this.#choices.has(target) && !this.#graph.has(target))
    return isLeaf ? 0 : this.#levelOf(choice) + 1
  }

  /** How many choices of the platform a module comes after. */
  #levelOf(path) {
    const known = this.#levels.get(path)
    if (known !== undefined) return known
    let level = 0
    for (const target of this.#graph.get(path)?.now ?? []) {
      const chosen = this.#choices.get(target)
      if (chosen !== undefined) level = Math.max(level, ...chosen.map(each => this.#levelBehind(each)))
      else if (this.#graph.has(target)) level = Math.max(level, this.#levelOf(target))
    }
    this.#levels.set(path, level)
    return level
  }
}

/** Of a module's source, from the folder of the build. */
export function pathOf(id) {
  return relative('.', resolve(id)).replaceAll('\\', '/')
}

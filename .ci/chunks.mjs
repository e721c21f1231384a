import { relative, resolve } from 'node:path'

/**
 * Which chunk each module is in. A program loads few files, and none of them has a module that it does not use: the modules
 * of a chunk are used by the same parties. Where the platform chooses a module (`imports` of package.json), that module is
 * a file of its own and imports chunks as well, so what comes before it and what comes after it are two chunks: with one,
 * each would wait for the other.
 */

const PAGE = 'page'
/**
 * What a client loads when it first needs it, so that few pages load it, and what only pages for administrators have. No chunk
 * of these has a module for Node alone either.
 */
const LATER = [
  ['admin', /^client\/admin\.ts$/],
  ['channels', /^client\/service-channel\/open\.ts$/],
  ['sealed', /^client\/request\/sealed-bodies\.ts$/],
  ['unproved', /^client\/request\/unproved-response\.ts$/],
  ['joining', /^client\/join\/join\.ts$/],
  ['rotation', /^client\/rotation\/start-rotation\.ts$/],
  ['keytab', /^client\/login\/keytab-login\.ts$/],
]
/**
 * Those of which one program loads one or more, by the sources of their entries. A page is a client in a browser: no chunk
 * that it loads has a module for Node alone.
 */
const PARTIES = [
  ['command', /^cli\/orthrus\.ts$/],
  [PAGE, /^client\/index\.ts$/],
  ['client', /^client\/(?:index|admin)\.ts$/],
  ...LATER,
  ['service', /^service\/[\w-]+\.ts$/],
  ['kdc', /^(?:kdc|testing)\/index\.ts$/],
  // Of what a KDC runs on these two need a small part.
  ['init', /^cli\/(?:init|make-realm)\.ts$/],
  // It needs nothing of a service but what both do with headers.
  ['call', /^cli\/call-fetch\.ts$/],
  ['settings', /^cli\/(?:settings-together|config\/(?:resolve|print))\.ts$/],
]

/** Whatever the table of the commands loads tells its help from these. */
const COMMANDS = { name: 'help', table: 'cli/commands.ts', program: 'cli/orthrus.ts', runner: 'cli/run.ts' }

/** From how many commands on a module of theirs is in the chunk that all of them load. */
const MANY = 5

/** These load what all parties have in common as a whole: another file takes them longer than what they do not need of it. */
const SMALL = ['init', 'settings', 'call']

function namesOf(all) {
  const users = withLater(all)
  const isCommon = ['client', 'service', 'kdc'].every(name => users.has(name))
  return [...users].filter(name => !isCommon || !SMALL.includes(name))
}

/** What a page has at once it need not load later, and what several load later is one chunk for all of them. */
function withLater(users) {
  const later = LATER.map(([name]) => name).filter(name => users.has(name))
  if (later.length === 0) return users
  const others = [...users].filter(name => !later.includes(name))
  if (users.has(PAGE)) return new Set(others)
  return new Set([...others, later.length > 1 ? 'later' : later[0]])
}

export class Chunks {
  #graph = new Map()
  #choices
  #users
  #levels = new Map()
  #shared
  #needed

  /** @param choices sources that the platform chooses from, the default last, by the name of the choice */
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
    return users === undefined ? null : `${namesOf(users).join('-')}-${this.#placeOf(path, users)}`
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
        next.push(...this.#neededBy(path, name === PAGE || LATER.some(([later]) => later === name)))
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

  #neededBy(path, isPage) {
    const { now = [] } = this.#graph.get(path) ?? {}
    return now.flatMap(target => {
      const chosen = this.#choices.get(target)
      return chosen === undefined ? target : isPage ? chosen.slice(-1) : chosen
    })
  }

  /** What no choice needs waits for the last of them, in one chunk. What the help needs is too little to be parted. */
  #placeOf(path, users) {
    this.#needed ??= this.#findNeeded()
    return users.has(COMMANDS.name) || this.#needed.has(path) ? this.#levelOf(path) : 'last'
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

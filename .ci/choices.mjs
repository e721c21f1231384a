import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'

/**
 * What the platform chooses from, by the names of `paths` in tsconfig.json: sources for Node, and beside each its portable
 * twin. `imports` of package.json has the few that are chosen only when a program loads them.
 */
export function readChoices() {
  if (!existsSync('tsconfig.json')) return new Map()
  const { paths = {} } = JSON.parse(readFileSync('tsconfig.json', 'utf8')).compilerOptions
  const choice = ([name, [path]]) => {
    const node = path.replace(/^\.\//, '')
    return [name, { node, portable: node.replace(/\.node\.ts$/, '.ts') }]
  }
  return new Map(Object.entries(paths).map(choice))
}

/** A plugin that chooses now. @param later names that are chosen when a program loads them */
export function choosing(platform, later = new Set()) {
  const choices = readChoices()
  return {
    name: 'choices',
    resolveId: id => {
      if (later.has(id)) return { id, external: true }
      return choices.has(id) ? resolve(choices.get(id)[platform]) : null
    },
  }
}

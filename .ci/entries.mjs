import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * The modules that somebody loads by the name of their file, each of which is a file of dist/ under its own name: what
 * `package.json` names, and the programs that only a checkout has. All other modules are in chunks.
 */

const PORTABLE = './dist/portable/'

/** What a browser runs is no program of Node. */
const PAGE = '/web/'

/** What the package publishes: modules, by the paths of their sources. The installed command is no module (`bin.cjs`). */
export function publishedEntries(manifest) {
  const { exports = {}, imports = {}, bin = {} } = manifest
  const paths = JSON.stringify([exports, imports]).match(/\.\/dist\/[^"]+\.js(?=")/g) ?? []
  const own = paths.filter(path => !path.startsWith(PORTABLE)).map(path => path.replace('./dist/', ''))
  // What the installed command loads.
  const commands = Object.values(bin).map(path =>
    path.replace('./dist/', '').replace(/bin\.cjs$/, 'orthrus.js'),
  )
  return [...new Set([...own, ...commands].map(sourceOf))].sort()
}

/** What other platforms than Node get in place of an entry, by the paths of their sources. */
export function portableEntries({ exports = {} }) {
  const paths = Object.values(exports).flatMap(target => target.default ?? [])
  return paths.filter(path => path.startsWith(PORTABLE)).map(path => sourceOf(path.slice(PORTABLE.length)))
}

/** Programs of a checkout: the bench, the examples, and the processes that tests start. */
export function programs() {
  const own = ['bench', 'examples'].flatMap(folder => sourcesIn(folder)).filter(path => !path.includes(PAGE))
  return [...own, ...new Set(sourcesIn('test').flatMap(startedBy))].sort()
}

/** Tests name a program of theirs as it is built. */
function startedBy(test) {
  const named = readFileSync(test, 'utf8').match(/\bdist\/test\/[\w/-]+\.js\b/g) ?? []
  return named.map(path => sourceOf(path.replace('dist/', ''))).filter(path => existsSync(path))
}

function sourcesIn(folder) {
  if (!existsSync(folder)) return []
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  return files.filter(name => name.endsWith('.ts')).map(name => join(folder, name).replaceAll('\\', '/'))
}

function sourceOf(path) {
  return path.replace(/\.js$/, '.ts')
}

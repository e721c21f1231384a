import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { bundle, PUBLISHED } from './bundle.mjs'
import { bundleConsole } from './console.mjs'
import { bundlePage } from './page.mjs'

/**
 * Makes dist/: the types by the compiler, the JavaScript by the bundler, the pages of the console and of the example by Vite, and then removes what neither wrote, so that
 * nothing stale is run or packed. Not emptied first: a KDC that runs from dist/ goes on while another terminal builds.
 */

const tsc = resolve('node_modules/typescript/bin/tsc')
const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 26 }

/** Checks everything. @returns the types that are published, by their paths in dist/ */
function declare() {
  const types = ['--declaration', '--emitDeclarationOnly', '--listEmittedFiles']
  const listed = compile(['-p', 'tsconfig.json', ...types]).split(/\r?\n/)
  const written = listed.filter(line => line.startsWith('TSFILE: '))
  const paths = written.map(line => relative(resolve('dist'), resolve(line.slice('TSFILE: '.length))))
  return paths.filter(path => PUBLISHED.includes(path.split(/[\\/]/)[0]))
}

function compile(args) {
  try {
    return execFileSync(process.execPath, [tsc, ...args], options)
  } catch (error) {
    process.stdout.write(error.stdout ?? '')
    process.exit(1)
  }
}

// Nothing else is said for a while, to whoever runs a demo too.
if (process.stderr.isTTY) console.error('building: about half a minute')
const declared = declare()
const hasConsole = existsSync('console')
const hasPage = existsSync('examples/page/web')
if (hasConsole) compile(['-p', 'console/tsconfig.json'])
// Where it lists nothing, everything would be stale.
if (declared.length === 0) throw new Error('the compiler listed no file that it wrote')
const manifest = JSON.parse(readFileSync('package.json', 'utf8'))
const bundled = [
  ...(await bundle(manifest)),
  ...(hasConsole ? await bundleConsole() : []),
  ...(hasPage ? await bundlePage() : []),
]
const written = new Set([...declared, ...bundled].map(path => resolve('dist', path)))

const folders = new Set()
for (const file of written) for (let at = dirname(file); !folders.has(at); at = dirname(at)) folders.add(at)

for (const entry of readdirSync('dist', { recursive: true, withFileTypes: true })) {
  const path = resolve(entry.parentPath, entry.name)
  if (!entry.isDirectory() && !written.has(path)) rmSync(path, { force: true })
}
for (const entry of readdirSync('dist', { recursive: true, withFileTypes: true }).reverse()) {
  const path = join(resolve(entry.parentPath), entry.name)
  if (entry.isDirectory() && !folders.has(path)) rmdirSync(path)
}

// As npm links it: built again, it must stay a command.
for (const path of ['dist/cli/bin.cjs', 'dist/cli/orthrus.js']) if (existsSync(path)) chmodSync(path, 0o755)

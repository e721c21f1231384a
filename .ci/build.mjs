import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

/**
 * Compiles into dist/ and then removes what this compilation did not write, so that nothing stale is run or packed.
 * Not emptied first: a KDC that runs from dist/ goes on while another terminal builds.
 */

const tsc = resolve('node_modules/typescript/bin/tsc')
const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 26 }

function compile() {
  try {
    return execFileSync(process.execPath, [tsc, '-p', 'tsconfig.json', '--listEmittedFiles'], options)
  } catch (error) {
    process.stdout.write(error.stdout ?? '')
    process.exit(1)
  }
}

const written = new Set()
for (const line of compile().split(/\r?\n/)) {
  if (line.startsWith('TSFILE: ')) written.add(resolve(line.slice('TSFILE: '.length)))
}
// Where it lists nothing, everything would be stale.
if (written.size === 0) throw new Error('the compiler listed no file that it wrote')

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
const command = resolve('dist/cli/orthrus.js')
if (existsSync(command)) chmodSync(command, 0o755)

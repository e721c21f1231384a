import { join } from 'node:path'
import { root } from '../processes.js'
import { ENTRIES } from './install.js'

/** The programs of `programs/`, which use every entry once, and what they print. */
export const PROGRAMS = join(root, 'test/end-to-end/packaging/programs')

export const SAID = `web@test.example reader
hello over a channel
401 Orthrus realm="test.example"
function function function function function function function function function
`
export const SAID_WITH_FRAMEWORKS = `${SAID}web@test.example over Fastify\nweb@test.example over Koa\n`

/** A program for a bundler, beside `programs/`: it imports every entry and no framework, and prints `SAID`. */
export function programOfEntries(): string {
  const names = ENTRIES.map(name => name.replace('fetch-handler', 'fetchHandler').replace('replay/', ''))
  return `
import { smoke } from './programs/smoke.cjs'
${ENTRIES.map((name, i) => `import * as ${names[i]} from 'orthrus/${name}'`).join('\n')}
smoke({ ${names.join()} }, {}).then(said => console.log(said.join('\\n')))
`
}

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './processes.js'

/** The fenced blocks of sh and ts in the documents, in order. */

export interface Snippet {
  /** Where it is, as `README.md:42`. */
  readonly place: string
  readonly language: 'sh' | 'ts'
  /** What its first line says after the language. */
  readonly mark: string
  readonly code: string
}

export function snippetsOf(document: string): Snippet[] {
  const text = readFileSync(join(root, document), 'utf8')
  return [...text.matchAll(/^```(sh|ts)([^\n]*)\n(.*?)^```$/gms)].map(
    ({ 1: language, 2: mark = '', 3: code = '', index }) => ({
      place: `${document}:${text.slice(0, index).split('\n').length}`,
      language: language as Snippet['language'],
      mark: mark.trim(),
      code,
    }),
  )
}

/** A block that is left out, and why: these marks and no others. */
export const NOT_RUN: ReadonlyMap<string, string> = new Map([
  ['checkout', 'it is run in a checkout, as .ci/run does'],
  ['needs-express', 'Express is no dependency'],
  ['watched', 'test/end-to-end/watched.test.ts runs it: it needs a KDC of its own'],
  ['not-built-yet', 'the text beside it says so'],
])

const PARTY = /^as (\w+)$/
const DECLARED = /^const (\w+) =/gm

const IMPORTS = `
import { createServer } from 'node:http'
import { connect } from 'orthrus/client'
import { loadService, requireTicket } from 'orthrus/service'
const shared = {}
const parties = {}
const kdc = process.env.ORTHRUS_KDC
`

/**
 * One program of the pieces that go on where another stopped: each is a block, which sees what those before declared.
 */
export function programOf(pieces: readonly Snippet[]): string {
  const declared = new Set<string>()
  const blocks = pieces.map(({ place, mark, code }) => {
    const party = PARTY.exec(mark)?.[1]
    if (party === undefined)
      throw new Error(`${place}: what runs this? Mark it with "as NAME", or with a file's name`)
    const own = [...code.matchAll(DECLARED)].map(([, name = '']) => name)
    const before = [...declared].filter(name => !own.includes(name))
    for (const name of own) declared.add(name)
    const login = `parties.${party} ??= await connect({ kdc, keytab: '${party}.keytab' })`
    return [
      `console.log('${place}')`,
      `{ const { ${before.join(', ')} } = shared; const realm = (${login});`,
      code,
      `Object.assign(shared, { ${own.join(', ')} }) }`,
    ].join('\n')
  })
  return `${IMPORTS}${blocks.join('\n')}\nconsole.log('done')\nprocess.exit(0)\n`
}

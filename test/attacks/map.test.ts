import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

/** The tables of docs/attacks.md, compared with the tests and the sections that they name. */

const root = fileURLToPath(new URL('../..', import.meta.url))
const map = readFileSync(join(root, 'docs/attacks.md'), 'utf8')
/** The tables stand before what was measured. */
const [tables = ''] = map.split('## What time tells')

/** The classes there must be: numbered ones, and those of the literature. */
const NUMBERED = [
  ...Array.from({ length: 68 }, (_, i) => String(i + 1)),
  '69', // a clock that leaps, a machine that slept
  '70', // what another party wrote into a list of headers
  '71', // rotation interrupted, staged keys and join codes in the wrong hands
  '72', // the feed late, cut, replayed, spliced
  '73', // a shared replay cache that forgets, or answers late
  '74', // sealed bodies cut, reordered, spliced
  '77', // a realm restored from a backup
  '78', // further headers and the list of them changed
  '79', // administrators that lock themselves or each other out
  '80', // text that a terminal obeys
  '90', // traces that are removed
  '85', // a refused request taken for something else
  '86', // a service or client talked down while it is being adopted
  '91', // a tunnel passed by, repeated, taken over
  '92', // who asks, written into headers on the way
  '93', // a proxy for programs, used by pages and other users
  '94', // a KDC among several that is none of theirs
  '96', // the login of a person, read, put in place or edited by others
  '97', // a page of another origin, forged messages between pages, a copy of what a browser stores
  '89', // what watches a KDC, taken for a way in
]
const LITERATURE = ['L1', 'L2', 'L3', 'L4', 'L5', 'L6']
/** How a reason begins that a class has no test. */
const REASON = /^(Not built yet|Does not apply): /

const cells = tables
  .split('\n')
  .filter(line => line.startsWith('| ') && !line.startsWith('| class '))
  .map(line => line.replace(/^\| | \|$/g, '').split(' | '))

const classes = cells
  .filter(row => row.length === 3)
  .map(([id = '', attack = '', answer = '']) => ({ id, attack, answer }))

const tests = cells
  .filter(row => row.length === 4)
  .map(([ids = '', attack = '', file = '', name = '']) => ({
    ids: ids.split(', '),
    attack,
    file: file.replaceAll('`', ''),
    name,
  }))

/** The quoted texts in a source: titles of tests, and of their rows. `…` stands for an expression. */
function quotedIn(path: string): Set<string> {
  const source = readFileSync(path, 'utf8')
  const quoted = source.matchAll(/'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\\n]|\\.)*)`/g)
  return new Set(
    [...quoted].map(([, single, double, template]) =>
      (single ?? double ?? template?.replace(/\$\{[^}]*\}/g, '…') ?? '').replaceAll("\\'", "'"),
    ),
  )
}

/** The anchor of a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_ -]/gu, '')
    .replaceAll(' ', '-')
}

function anchorsIn(path: string): Set<string> {
  const headings = readFileSync(join(root, path), 'utf8').matchAll(/^#+ (.*)$/gm)
  return new Set([...headings].map(([, heading = '']) => anchorOf(heading)))
}

describe('the map of attacks', () => {
  it('has only classes and tests in its tables', () => {
    expect(classes.length + tests.length).toBe(cells.length)
    expect(tests.length).toBeGreaterThan(150)
    expect(cells.flat().filter(cell => cell.trim() === '')).toEqual([])
  })

  it('has every class once', () => {
    expect(classes.map(({ id }) => id).sort()).toEqual([...NUMBERED, ...LITERATURE].sort())
  })

  it.each(classes)('class $id has a test, or a reason why it has none', ({ id, answer }) => {
    expect(tests.some(({ ids }) => ids.includes(id))).toBe(!REASON.test(answer))
  })

  it.each(tests)('$ids: $attack: $file', ({ ids, file, name }) => {
    const known = new Set(classes.map(({ id }) => id))
    expect(ids.filter(id => !known.has(id))).toEqual([])
    expect(file).toMatch(/^test\/.*\.test\.ts$/)
    const path = join(root, file)
    expect(existsSync(path), file).toBe(true)
    expect(quotedIn(path).has(name), `${file} has no test "${name}"`).toBe(true)
  })

  it('names every file of test/attacks', () => {
    const files = readdirSync(join(root, 'test/attacks')).filter(name => name.endsWith('.test.ts'))
    const named = new Set(tests.map(({ file }) => file))
    const missing = files.filter(name => name !== 'map.test.ts' && !named.has(`test/attacks/${name}`))
    expect(missing).toEqual([])
  })

  it('links only to sections that exist', () => {
    const links = [...map.matchAll(/\]\(([\w.-]*)#([^)]*)\)/g)]
    expect(links.length).toBeGreaterThan(40)
    const dead = links.filter(([, file = '', anchor = '']) => {
      return !anchorsIn(`docs/${file === '' ? 'attacks.md' : file}`).has(anchor)
    })
    expect(dead.map(([link]) => link)).toEqual([])
  })
})

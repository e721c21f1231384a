import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

/** The table of README.md, held against the tests themselves. */

const root = fileURLToPath(new URL('../..', import.meta.url))
const table = readFileSync(join(root, 'test/attacks/README.md'), 'utf8')

interface Row {
  readonly attack: string
  readonly file: string
  readonly name: string
}

const rows: Row[] = table
  .split('\n')
  .filter(line => line.startsWith('| ') && !line.startsWith('| attack '))
  .map(line => {
    const [attack = '', file = '', name = ''] = line.replace(/^\| | \|$/g, '').split(' | ')
    return { attack, file: file.replaceAll('`', ''), name }
  })

/** The texts that stand in quotes in a source: titles of tests, and of their rows. */
function quotedIn(path: string): Set<string> {
  const source = readFileSync(path, 'utf8')
  const quoted = source.matchAll(/'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"/g)
  return new Set([...quoted].map(([, single, double]) => (single ?? double ?? '').replaceAll("\\'", "'")))
}

describe('the table of attacks', () => {
  it('has rows, each with an attack, a file and a name', () => {
    expect(rows.length).toBeGreaterThan(100)
    for (const { attack, file, name } of rows) {
      expect(attack).not.toBe('')
      expect(file).toMatch(/^test\/.*\.test\.ts$/)
      expect(name).not.toBe('')
    }
  })

  it.each(rows)('$attack: $file', ({ file, name }) => {
    const path = join(root, file)
    expect(existsSync(path), file).toBe(true)
    expect(quotedIn(path).has(name), `${file} has no test "${name}"`).toBe(true)
  })

  it('has every file of attacks in it', () => {
    const files = readdirSync(join(root, 'test/attacks')).filter(name => name.endsWith('.test.ts'))
    const named = new Set(rows.map(({ file }) => file))
    const missing = files.filter(name => name !== 'map.test.ts' && !named.has(`test/attacks/${name}`))
    expect(missing).toEqual([])
  })
})

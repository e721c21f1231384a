import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { root } from '../end-to-end/processes.js'

/** Flags in the documentation that are those of other programs. */
const OF_OTHERS = new Set([
  ...['--auto-compaction-mode', '--auto-compaction-retention', '--client-cert-auth', '--max-request-bytes'],
  ...['--max-txn-ops', '--prefix', '--quota-backend-bytes'],
  ...[
    '--banner',
    '--bind',
    '--build',
    '--format',
    '--global',

    '--http',
    '--import',
    '--init',
    '--profile',
    '--rdb',
  ],
])

const textsIn = (folder: string, ending: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter(path => path.endsWith(ending))
    .map(path => readFileSync(join(root, folder, path), 'utf8'))

const flagsIn = (texts: readonly string[]): Set<string> =>
  new Set(texts.flatMap(text => text.match(/(?<![\w-])--[a-z][a-z-]+/g) ?? []))

it('every flag that the documentation names is one of a command, or of another program', () => {
  const known = flagsIn([...textsIn('cli', '.ts'), ...textsIn('bench', '.ts')])
  const named = flagsIn([...textsIn('docs', '.md'), readFileSync(join(root, 'README.md'), 'utf8')])
  expect(named.size).toBeGreaterThan(100)
  expect([...named].filter(flag => !known.has(flag) && !OF_OTHERS.has(flag))).toEqual([])
})

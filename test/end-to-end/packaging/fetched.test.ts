import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { root, run } from '../processes.js'
import { type Installed, install } from './install.js'
import { PROGRAMS, programOfEntries, SAID, SAID_WITH_FRAMEWORKS } from './programs.js'
import { typeErrors } from './type-check.js'

/**
 * What the package is tried with beside its own tools: other versions of Node and TypeScript, another bundler, and
 * `attw`. They are 800 MB, so they are fetched only when asked: ORTHRUS_PACKAGING=1, or `npm run test:packaging`.
 */

const asked = process.env.ORTHRUS_PACKAGING === '1'
const FETCHED = join(root, '.ci/packaging')
const MODULES = join(FETCHED, 'node_modules')

/** Each by its exact number in .ci/packaging/package.json. The first is the oldest that the package allows. */
const NODES = ['node-20.19.0', 'node-20', 'node-22', 'node-24'] as const
const COMPILERS = ['typescript-5.8', 'typescript-5.9', 'typescript-6'] as const

let installed: Installed
let folder = ''

describe.runIf(asked)('with what is fetched for it', { timeout: 300_000 }, () => {
  beforeAll(async () => {
    const fetched = await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], FETCHED)
    if (fetched.code !== 0) throw new Error(`the tools could not be fetched: ${fetched.err}`)
    installed = await install()
    folder = installed.folder
    await installed.setPeers(true)
    await cp(PROGRAMS, join(folder, 'programs'), { recursive: true })
  }, 600_000)
  afterAll(() => installed?.remove())

  // Their binaries are for Linux on x64.
  const isTheirs = process.platform === 'linux' && process.arch === 'x64'
  describe.skipIf(!isTheirs).each(NODES)('%s', name => {
    const node = join(MODULES, name, 'bin/node')

    it('is what its name says', async () => {
      const { code, out } = await run(node, ['--version'], folder)
      expect({ code, out }).toMatchObject({ code: 0, out: expect.stringMatching(/^v\d+\.\d+\.\d+\n$/) })
      expect(`node-${out.slice(1)}`.startsWith(name)).toBe(true)
    })

    it.each([
      ['import', 'import.mjs', SAID_WITH_FRAMEWORKS],
      ['require()', 'require.cjs', `${SAID_WITH_FRAMEWORKS}true\n`],
    ])('loads every entry by %s, and each works', async (_, program, out) => {
      expect(await run(node, [`programs/${program}`], folder)).toEqual({ code: 0, out, err: '' })
    })

    it('runs the command and the demonstration', async () => {
      const command = await run(node, [join(installed.place, 'dist/cli/bin.cjs'), '--version'], folder)
      expect(command).toEqual({ code: 0, out: '0.1.0\n', err: '' })
      const { code, out, err } = await run(node, ['dist/examples/demo/demo.js'], root)
      expect({ code, err }).toEqual({ code: 0, err: '' })
      expect(out.trim().split('\n').at(-1)).toBe('All of it happened as it should.')
    })
  })

  describe.each(COMPILERS)('%s', name => {
    const compiler = join(MODULES, name, 'bin/tsc')

    it.each([
      { withFrameworks: false, type: 'module', module: 'node16' },
      { withFrameworks: true, type: 'module', module: 'nodenext' },
      { withFrameworks: false, type: 'module', module: 'esnext', moduleResolution: 'bundler' },
      { withFrameworks: false, type: 'commonjs', module: 'nodenext' },
      { withFrameworks: true, type: 'commonjs', module: 'commonjs' },
    ] as const)(
      'finds no fault: $type, $module, with frameworks: $withFrameworks',
      async ({ withFrameworks, ...project }) => {
        await installed.setPeers(withFrameworks)
        expect(await typeErrors(folder, withFrameworks, project, compiler)).toEqual([])
      },
    )
  })

  it('attw finds the types wrong nowhere', async () => {
    // It takes `require()` of ESM for an error, which it is only before Node 20.19.
    const args = [
      installed.archive,
      '--ignore-rules',
      'cjs-resolves-to-esm',
      '--format',
      'table',
      '--no-color',
    ]
    const { code, out } = await run(join(MODULES, '.bin/attw'), args, folder)
    expect({ code, out }).toEqual({ code: 0, out: expect.stringContaining('No problems found') })
    for (const mode of ['node10', 'node16 (from CJS)', 'node16 (from ESM)', 'bundler'])
      expect(out).toContain(mode)
  })

  describe('esbuild', () => {
    const esbuild = (...args: string[]) =>
      run(join(MODULES, '.bin/esbuild'), ['--bundle', '--log-level=warning', ...args], folder)

    it('makes one file of the client for browsers', async () => {
      await writeFile(join(folder, 'page.mjs'), `export { connect } from 'orthrus/client'`)
      const args = ['page.mjs', '--platform=browser', '--format=esm', '--minify', '--outfile=page.out.mjs']
      expect(await esbuild(...args)).toEqual({ code: 0, out: '', err: '' })
      const code = await readFile(join(folder, 'page.out.mjs'))
      expect(String(code)).not.toMatch(/\bnode:|\brequire\(/)
      console.log(`the client for browsers: ${code.length} bytes, ${gzipSync(code).length} compressed`)
      expect(code.length).toBeLessThan(260_000)
    })

    // What is written for CommonJS, as ws is, requires the modules of Node: esbuild leaves that to a banner in ESM.
    const BANNER = `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);`

    it.each(['esm', 'cjs'] as const)('makes one file for Node, as %s', async format => {
      await writeFile(join(folder, 'entry.mjs'), programOfEntries())
      const file = `bundle.${format === 'esm' ? 'mjs' : 'cjs'}`
      const args = ['--platform=node', `--format=${format}`, '--external:level', `--outfile=${file}`]
      if (format === 'esm') args.push(`--banner:js=${BANNER}`)
      expect(await esbuild('entry.mjs', ...args)).toEqual({ code: 0, out: '', err: '' })
      expect(await run(process.execPath, [file], folder)).toEqual({ code: 0, out: SAID, err: '' })
    })
  })
})

it.skipIf(asked)(
  'skipped: other versions of Node and TypeScript, attw, esbuild (npm run test:packaging)',
  ctx => ctx.skip('they are fetched when asked: ORTHRUS_PACKAGING=1'),
)

import { cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { extname, join, posix } from 'node:path'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { WebSocket } from 'ws'
import { requireTicket } from '../../service/fetch-handler.js'
import { startRealm } from '../../testing/index.js'
import { bundleFor } from './packaging/bundle.js'
import { ENTRIES, type Installed, install } from './packaging/install.js'
import { PROGRAMS, programOfEntries, SAID, SAID_WITH_FRAMEWORKS } from './packaging/programs.js'
import { type Project, typeErrors } from './packaging/type-check.js'
import { root, run, temporaryFolder } from './processes.js'

const slow = process.env.ORTHRUS_SLOW === '1'

let installed: Installed
let folder = ''
beforeAll(async () => {
  installed = await install()
  folder = installed.folder
}, 60_000)
afterAll(() => installed.remove())

/** The types of the sources that are published, the entries and the chunks behind them, and what npm adds. */
async function filesOfSources(): Promise<string[]> {
  const types: string[] = []
  for (const part of ['cli', 'client', 'kdc', 'service', 'shared', 'testing']) {
    for (const name of await readdir(join(root, part), { recursive: true })) {
      const path = `dist/${part}/${name.replaceAll('\\', '/').replace(/\.c?ts$/, '')}`
      if (/\.c?ts$/.test(name)) types.push(`${path}.d${extname(name)}`)
    }
  }
  const manifest = await readFile(join(root, 'package.json'), 'utf8')
  const entries = new Set(manifest.match(/(?<="\.\/)dist\/[^"]+\.c?js(?=")/g))
  return [
    ...types,
    ...(await loadedFrom(entries)),
    ...(await filesIn('dist/console')),
    // Pictures are for who reads them where the sources are.
    ...(await filesIn('docs')).filter(path => !path.endsWith('.png')),
    ...(await filesIn('examples')),
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'SECURITY.md',
    'package.json',
  ].sort()
}

const IMPORT = /(?:\bfrom|\bimport)\s*\(?\s*"(\.[^"]+)"/g

/** Files of the checkout's `dist/` that are loaded, now or later, by one of these or by what they load. */
async function loadedFrom(entries: Iterable<string>, pattern = IMPORT): Promise<string[]> {
  const seen = new Set(entries)
  for (const path of seen) {
    const code = await readFile(join(root, path), 'utf8')
    for (const [, target = ''] of code.matchAll(pattern)) seen.add(posix.join(posix.dirname(path), target))
  }
  return [...seen]
}

const NOW = /^(?:import|export)\b[^"]*?"(\.[^"]+)"/gm
const PACKAGE = /^(?:import|export)\b[^"]*?"((?!node:|\.)[^"]+)"/gm

/** What is loaded at once: how many files, and which packages and choices of the platform. */
async function atOnce(entry: string): Promise<{ files: number; packages: string[] }> {
  const files = await loadedFrom([entry], NOW)
  const code = await Promise.all(files.map(path => readFile(join(root, path), 'utf8')))
  const packages = code.flatMap(text => [...text.matchAll(PACKAGE)].map(([, name = '']) => name))
  return { files: files.length, packages: [...new Set(packages)].sort() }
}

it.each([
  ['dist/cli/bin.cjs', 1, []],
  ['dist/cli/orthrus.js', 5, []],
  ['dist/client/index.js', 5, ['#primitives', '#ws']],
  ['dist/service/index.js', 6, ['#primitives', '#ws']],
  [
    'dist/portable/client/index.js',
    15,
    ['@noble/ciphers/chacha.js', '@noble/hashes/hmac.js', '@noble/hashes/scrypt.js', '@noble/hashes/sha2.js'],
  ],
  ['dist/shared/telemetry/metrics.js', 4, []],
])('%s loads few files, and no package that it does not need yet', async (entry, most, packages) => {
  const loaded = await atOnce(entry)
  console.log(`${entry}: ${loaded.files} files`)
  expect(loaded.packages).toEqual(packages)
  expect(loaded.files).toBeLessThanOrEqual(most)
})

it('dist/service/index.js loads nothing of a client before it follows its KDC', async () => {
  const files = await loadedFrom(['dist/service/index.js'], NOW)
  const code = await Promise.all(files.map(path => readFile(join(root, path), 'utf8')))
  const sources = code.flatMap(text => text.match(/(?<=^\/\/ )[a-z]\S+\.ts$/gm) ?? [])
  expect(sources).toContain('service/load-service.ts')
  expect(sources.filter(path => path.startsWith('client/') || path.includes('/start-feed'))).toEqual([])
})

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(join(root, folder), { recursive: true, withFileTypes: true })
  return entries
    .filter(entry => entry.isFile())
    .map(({ parentPath, name }) =>
      join(parentPath, name).slice(root.length).replaceAll('\\', '/').replace(/^\//, ''),
    )
}

/** Bytes that nobody should have to download without noticing: the archive, and what it unpacks to. */
const LIMITS = { size: 1_500_000, unpackedSize: 4_900_000 }

it('the package has the types of its sources, what its entries load, and nothing else', async () => {
  const { files, size, unpackedSize } = installed
  expect(files.map(({ path }) => path).sort()).toEqual(await filesOfSources())
  console.log(`the package: ${size} bytes, unpacked ${unpackedSize}`)
  expect(size).toBeLessThan(LIMITS.size)
  expect(unpackedSize).toBeLessThan(LIMITS.unpackedSize)
})

it('each entry exports what its source does, and nothing that another chunk takes from it', async () => {
  const { exports } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const entries = ENTRIES.flatMap(name => {
    const { node, default: path } = exports[`./${name}`] as { node?: string; default: string }
    return node === undefined ? [path] : [node, path]
  })
  expect(entries).toHaveLength(15)
  for (const path of entries) {
    const code = await readFile(join(root, path), 'utf8')
    const listed = [...code.matchAll(/^export \{([^}]*)\}/gm)].flatMap(([, names = '']) => names.split(','))
    const names = listed.map(name => name.replace(/^.* as /, '').trim())
    const source = await import(join(root, path.replace(/dist\/(?:portable\/)?/, '').replace(/\.js$/, '.ts')))
    expect(names.sort(), path).toEqual(Object.keys(source).sort())
  }
})

it('no file of the package names a source map or a source that is not in it', async () => {
  const compiled = installed.files.map(({ path }) => path).filter(path => path.startsWith('dist/'))
  const naming = await Promise.all(
    compiled.map(async path =>
      /sourceMappingURL|\.map$/.test(`${await readFile(join(installed.place, path), 'utf8')}`) ? [path] : [],
    ),
  )
  expect(compiled.length).toBeGreaterThan(100)
  expect(naming.flat()).toEqual([])
})

it('the package says rightly where its modules and types are', async () => {
  const { messages, pkg } = await publint({ pkgDir: installed.place, pack: false, strict: true })
  expect(messages.map(message => formatMessage(message, pkg, { color: false }))).toEqual([])
  const { exports, typesVersions, engines, sideEffects } = JSON.parse(
    await readFile(join(installed.place, 'package.json'), 'utf8'),
  )
  expect(Object.keys(exports)).toEqual([...ENTRIES.map(name => `./${name}`), './package.json'])
  // A compiler that does not read `exports` finds the same types.
  const types = ENTRIES.map(name => [name, [exports[`./${name}`].types]])
  expect(typesVersions).toEqual({ '*': Object.fromEntries(types) })
  // Those of a client run in browsers too.
  const portable = ['client', 'admin', 'metrics', 'opentelemetry']
  for (const name of ENTRIES) {
    const { types: _, ...paths } = exports[`./${name}`]
    expect(Object.keys(paths), name).toEqual(portable.includes(name) ? ['node', 'default'] : ['default'])
  }
  expect({ engines, sideEffects }).toEqual({ engines: { node: '>=20.19' }, sideEffects: false })
})

it('an error of the build for Node and one of that for browsers are both what either calls an OrthrusError', async () => {
  const entries = ['dist/client/index.js', 'dist/portable/client/index.js'].map(path => join(root, path))
  const [forNode, portable] = await Promise.all(entries.map(path => import(path)))
  expect(portable.OrthrusError).not.toBe(forNode.OrthrusError)
  for (const Class of [forNode.OrthrusError, portable.OrthrusError]) {
    const error = new Class('unavailable', 'why')
    expect([error instanceof forNode.OrthrusError, error instanceof portable.OrthrusError]).toEqual([
      true,
      true,
    ])
  }
})

it('the build removes what a deleted source left behind', async () => {
  const { folder, remove } = await temporaryFolder()
  onTestFinished(remove)
  const config = {
    compilerOptions: { outDir: 'dist', rootDir: '.', types: [] },
    include: ['client', 'bench'],
  }
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config))
  await writeFile(join(folder, 'package.json'), '{ "exports": { "./kept": "./dist/client/kept.js" } }')
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
  for (const part of ['client', 'bench', 'dist/cli', 'dist/gone/deep'])
    await mkdir(join(folder, part), { recursive: true })
  for (const name of ['client/kept.ts', 'bench/kept.ts'])
    await writeFile(join(folder, name), 'export const kept = 1\n')
  for (const name of ['gone.js', 'cli/gone.js', 'gone/deep/gone.js', 'kept.js']) {
    await writeFile(join(folder, 'dist', name), 'throw new Error("stale")')
  }
  const build = () => run(process.execPath, [join(root, '.ci/build.mjs')], folder)
  expect(await build()).toMatchObject({ code: 0, err: '' })
  expect((await readdir(join(folder, 'dist'), { recursive: true })).sort()).toEqual([
    'bench',
    join('bench', 'kept.js'),
    'client',
    join('client', 'kept.d.ts'),
    join('client', 'kept.js'),
  ])
  // What does not compile leaves what is there.
  await writeFile(join(folder, 'client/kept.ts'), 'export const kept: string = 1\n')
  expect(await build()).toMatchObject({ code: 1, out: expect.stringContaining('kept.ts') })
  expect(await readdir(join(folder, 'dist'))).toContain('client')
})

it('the package works in an empty project, with its imports, types and command', async () => {
  await installed.setPeers(true)
  await cp(PROGRAMS, join(folder, 'programs'), { recursive: true })
  expect(await run(process.execPath, ['programs/import.mjs'], folder)).toEqual({
    code: 0,
    out: SAID_WITH_FRAMEWORKS,
    err: '',
  })
  const bin = join(installed.place, 'dist/cli/bin.cjs')
  const said = { code: 0, out: '0.1.0\n', err: '' }
  expect(await run(process.execPath, [bin, '--version'], folder)).toEqual(said)
  // The program that it loads for everything else answers as well, for whoever runs that.
  const program = join(installed.place, 'dist/cli/orthrus.js')
  expect(await run(process.execPath, [program, '-V'], folder)).toEqual(said)
  const refused = await run(process.execPath, [bin, 'version'], folder)
  expect(refused).toMatchObject({
    code: 2,
    out: '',
    err: expect.stringContaining('unknown command "version"'),
  })
  const files = await readdir(join(installed.place, 'dist'))
  expect(files.sort()).toEqual([
    ...['chunks', 'cli', 'client', 'console', 'kdc', 'portable', 'service', 'shared', 'testing'],
  ])
})

const CASES = [
  ['without the frameworks', false],
  ['with them', true],
] as const

it.each(slow ? CASES : CASES.slice(0, 1))('require() loads every entry, %s', async (_, withFrameworks) => {
  await installed.setPeers(withFrameworks)
  await cp(PROGRAMS, join(folder, 'programs'), { recursive: true })
  const args = withFrameworks ? ['programs/require.cjs'] : ['programs/require.cjs', 'bare']
  const out = `${withFrameworks ? SAID_WITH_FRAMEWORKS : SAID}true\n`
  expect(await run(process.execPath, args, folder)).toEqual({ code: 0, out, err: '' })
})

interface TypeCase extends Project {
  readonly withFrameworks: boolean
  readonly quick?: boolean
}

const TYPE_CASES: readonly TypeCase[] = [
  { type: 'module', module: 'node16', withFrameworks: false, quick: true },
  { type: 'module', module: 'node16', withFrameworks: true },
  { type: 'module', module: 'nodenext', withFrameworks: false },
  { type: 'module', module: 'nodenext', withFrameworks: true },
  { type: 'commonjs', module: 'nodenext', withFrameworks: true },
  { type: 'commonjs', module: 'commonjs', withFrameworks: true },
  { type: 'module', module: 'esnext', moduleResolution: 'bundler', withFrameworks: false },
  { type: 'module', module: 'esnext', moduleResolution: 'bundler', withFrameworks: true },
]

// A compiler beside other tests takes many times what it takes alone.
describe('a program that uses every entry type-checks, libraries included', { timeout: 120_000 }, () => {
  it.each(TYPE_CASES.filter(({ quick }) => slow || quick === true))(
    '$type, $module, $moduleResolution, with frameworks: $withFrameworks',
    async ({ withFrameworks, quick: _, ...project }) => {
      await installed.setPeers(withFrameworks)
      // The types of the two clients of Redis take as long as all others together.
      const leaveOut = slow ? [] : ['redis']
      expect(await typeErrors(folder, withFrameworks, { ...project, leaveOut })).toEqual([])
    },
  )

  it('in CommonJS, and runs', async () => {
    await installed.setPeers(false)
    expect(await typeErrors(folder, false, { type: 'commonjs', module: 'nodenext' })).toEqual([])
    const program = `require('./out/testing.js').test().then(console.log)`
    expect(await run(process.execPath, ['-e', program], join(folder, 'project'))).toEqual({
      code: 0,
      out: 'orders@test.example web@test.example\n',
      err: '',
    })
  })

  it('for browsers, without the types of Node', async () => {
    await installed.setPeers(false)
    const browser: Project = {
      type: 'module',
      module: 'esnext',
      moduleResolution: 'bundler',
      programs: ['client'],
      lib: ['es2023', 'dom'],
      types: [],
    }
    expect(await typeErrors(folder, false, browser)).toEqual([])
  })

  it.runIf(slow)('but not as CommonJS under node16, whose compiler knows no require() of ESM', async () => {
    await installed.setPeers(false)
    const project: Project = { type: 'commonjs', module: 'node16', programs: ['client'] }
    expect(await typeErrors(folder, false, project)).toEqual([expect.stringContaining('error TS1479')])
  })
})

/** Characters of a bundled client, minified and not compressed: what a page loads. */
const BROWSER_LIMIT = 260_000

describe('a bundler', () => {
  it('makes one file of the client for browsers, which works with what browsers have', async () => {
    await installed.setPeers(false)
    const entry = `export { connect } from 'orthrus/client'`
    const { file, code } = await bundleFor('browser', folder, entry)
    expect(code).not.toMatch(/\bnode:|\brequire\(/)
    console.log(`the client for browsers: ${code.length} bytes`)
    expect(code.length).toBeLessThan(BROWSER_LIMIT)
    vi.stubGlobal('WebSocket', WebSocket)
    const realm = await startRealm()
    onTestFinished(() => realm.close())
    await realm.add('web', 'orders')
    await realm.allow('web', 'orders')
    const handler = requireTicket(
      { service: await realm.loadService('orders') },
      (_, ticket) => new Response(`hello ${ticket.client}`),
    )
    const { connect } = (await import(file)) as typeof import('../../client/index.js')
    const keytab = { text: realm.keytab('web') }
    const web = await connect({
      kdc: realm.kdc.url,
      keytab,
      clock: realm.clock,
      fetch: (input, init) => handler(new Request(input, init)),
    })
    const response = await web.fetch('http://orders.test/', { service: 'orders' })
    expect(await response.text()).toBe('hello web@test.example')
    web.close()
  })

  it.each(slow ? (['esm', 'cjs'] as const) : (['cjs'] as const))(
    'makes one file for Node, as %s',
    async format => {
      await installed.setPeers(false)
      await cp(PROGRAMS, join(folder, 'programs'), { recursive: true })
      const { path } = await bundleFor('node', folder, programOfEntries(), format)
      expect(await run(process.execPath, [path], folder)).toEqual({ code: 0, out: SAID, err: '' })
    },
  )
})

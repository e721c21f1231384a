import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { root, run, temporaryFolder } from './processes.js'

let folder = ''
let remove = async (): Promise<void> => {}
beforeEach(async () => {
  ;({ folder, remove } = await temporaryFolder())
})
afterEach(() => remove())

/** What a compilation makes of the sources that are published, and what npm adds. */
async function filesOfSources(): Promise<string[]> {
  const compiled: string[] = []
  for (const part of ['cli', 'client', 'kdc', 'service', 'shared', 'testing']) {
    for (const name of await readdir(join(root, part), { recursive: true })) {
      const path = `dist/${part}/${name.replaceAll('\\', '/').replace(/\.ts$/, '')}`
      if (name.endsWith('.ts')) compiled.push(`${path}.js`, `${path}.d.ts`)
    }
  }
  const docs = (await readdir(join(root, 'docs'))).map(name => `docs/${name}`)
  return [...compiled, ...docs, 'CHANGELOG.md', 'LICENSE', 'README.md', 'SECURITY.md', 'package.json'].sort()
}

it('the package has only what the sources are compiled to', async () => {
  const packed = await run('npm', ['pack', '--ignore-scripts', '--dry-run', '--json'], root)
  const [{ files }] = JSON.parse(packed.out) as [{ files: { path: string }[] }]
  expect(files.map(({ path }) => path).sort()).toEqual(await filesOfSources())
})

it('the build removes what a deleted source left behind', async () => {
  const config = { compilerOptions: { outDir: 'dist', rootDir: '.', types: [] }, include: ['*.ts', 'sub'] }
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config))
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
  for (const part of ['sub', 'dist/cli', 'dist/gone/deep'])
    await mkdir(join(folder, part), { recursive: true })
  for (const name of ['kept.ts', 'sub/kept.ts'])
    await writeFile(join(folder, name), 'export const kept = 1\n')
  for (const name of ['gone.js', 'cli/gone.js', 'gone/deep/gone.js', 'kept.js']) {
    await writeFile(join(folder, 'dist', name), 'throw new Error("stale")')
  }
  const build = () => run(process.execPath, [join(root, '.ci/build.mjs')], folder)
  expect(await build()).toMatchObject({ code: 0, err: '' })
  expect((await readdir(join(folder, 'dist'), { recursive: true })).sort()).toEqual([
    'kept.js',
    'sub',
    join('sub', 'kept.js'),
  ])
  // What does not compile leaves what is there.
  await writeFile(join(folder, 'kept.ts'), 'export const kept: string = 1\n')
  expect(await build()).toMatchObject({ code: 1, out: expect.stringContaining('kept.ts') })
  expect(await readdir(join(folder, 'dist'))).toContain('sub')
})

/** As `npm install` lays it out, with this checkout's dependencies in place of downloaded ones. */
async function install(): Promise<void> {
  const packed = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], root)
  const [{ filename }] = JSON.parse(packed.out) as [{ filename: string }]
  const modules = join(folder, 'node_modules')
  await mkdir(join(modules, 'orthrus'), { recursive: true })
  await run(
    'tar',
    ['-xzf', join(folder, filename), '--strip-components=1', '-C', join(modules, 'orthrus')],
    folder,
  )
  for (const name of await readdir(join(root, 'node_modules'))) {
    if (!name.startsWith('.')) await symlink(join(root, 'node_modules', name), join(modules, name))
  }
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
}

const PROGRAM = `
import { createServer } from 'node:http'
import Fastify from 'fastify'
import Koa from 'koa'
import { OrthrusError } from 'orthrus/client'
import * as fastify from 'orthrus/fastify'
import { requireTicket as requireTicketOf } from 'orthrus/fetch-handler'
import * as koa from 'orthrus/koa'
import { startKdc } from 'orthrus/kdc'
import { requireTicket } from 'orthrus/service'
import { startRealm } from 'orthrus/testing'

const realm = await startRealm()
await realm.add('web', 'orders')
await realm.allow('web', 'orders', { claims: { role: 'reader' } })
const service = await realm.loadService('orders')
const server = createServer(requireTicket({ service }, (req, res, ticket) => res.end(ticket.client + ' ' + ticket.claims.role)))
await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
const web = await realm.connect('web')
const response = await web.fetch('http://127.0.0.1:' + server.address().port + '/', { service: 'orders' })
console.log(await response.text(), typeof startKdc, typeof OrthrusError)
const app = Fastify()
await app.register(fastify.requireTicket, { service })
app.get('/', async request => request.ticket.client + ' over Fastify')
const test = await realm.connect('web', { fetch: fastify.injectFetch(app) })
console.log(await (await test.fetch('http://orders.test/', { service: 'orders' })).text())
const refused = await requireTicketOf({ service }, () => new Response('x'))(new Request('http://127.0.0.1/'))
console.log(refused.status, refused.headers.get('www-authenticate'))
const overKoa = createServer(new Koa().use(koa.requireTicket({ service })).use(ctx => { ctx.body = koa.ticketOf(ctx).client + ' over Koa' }).callback())
await new Promise(resolve => overKoa.listen(0, '127.0.0.1', resolve))
console.log(await (await web.fetch('http://127.0.0.1:' + overKoa.address().port + '/', { service: 'orders' })).text())
overKoa.close()
server.close()
await realm.close()
`

it('the package works in an empty project, with its imports, types and command', async () => {
  await install()
  await writeFile(join(folder, 'program.js'), PROGRAM)
  expect(await run(process.execPath, ['program.js'], folder)).toEqual({
    code: 0,
    out: 'web@test.example reader function function\nweb@test.example over Fastify\n401 Orthrus realm="test.example"\nweb@test.example over Koa\n',
    err: '',
  })
  const bin = join(folder, 'node_modules/orthrus/dist/cli/orthrus.js')
  expect(await run(process.execPath, [bin, '--version'], folder)).toMatchObject({ code: 0, out: '0.1.0\n' })
  const files = await readdir(join(folder, 'node_modules/orthrus/dist'))
  expect(files.sort()).toEqual(['cli', 'client', 'kdc', 'service', 'shared', 'testing'])
  expect(await readdir(join(folder, 'node_modules/orthrus/dist/client'))).toContain('index.d.ts')
})

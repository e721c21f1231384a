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
import { OrthrusError } from 'orthrus/client'
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
server.close()
await realm.close()
`

it('the package works in an empty project: imports, types beside them, and the command', async () => {
  await install()
  await writeFile(join(folder, 'program.js'), PROGRAM)
  expect(await run(process.execPath, ['program.js'], folder)).toEqual({
    code: 0,
    out: 'web@test.example reader function function\n',
    err: '',
  })
  const bin = join(folder, 'node_modules/orthrus/dist/cli/orthrus.js')
  expect(await run(process.execPath, [bin, '--version'], folder)).toMatchObject({ code: 0, out: '0.1.0\n' })
  const files = await readdir(join(folder, 'node_modules/orthrus/dist'))
  expect(files.sort()).toEqual(['cli', 'client', 'kdc', 'service', 'shared', 'testing'])
  expect(await readdir(join(folder, 'node_modules/orthrus/dist/client'))).toContain('index.d.ts')
})

import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connect } from '../../client/connect.js'
import { startKdc } from '../../kdc/main.js'
import { requireTicket } from '../../service/require-ticket.js'
import { formatKeytab, parseKeytab } from '../../shared/keytab/keytab.js'
import { patternIn } from '../../shared/pattern.js'
import { systemClock } from '../../shared/time.js'
import { createTestClock } from '../../testing/clock.js'
import { startRealm, type TestRealm } from '../../testing/realm.js'
import { runCommand } from './run-command.js'

/** The commands in this process, with a realm in this process; every answer is read as a person would. */

let realm: TestRealm
let server: Server
let folder = ''
let url = ''
const home = process.cwd()

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthrus-cli-'))
  // Commands read the platform's clock, so the realm starts with it.
  realm = await startRealm({ realm: 'demo.example', clock: createTestClock(systemClock.now()) })
  await realm.add('web', 'orders', 'root')
  await realm.allow('web', 'orders', { claims: { role: 'reader' } })
  await realm.allow('root', 'kdc', { claims: { role: 'admin' } })
  for (const name of ['web', 'orders', 'root']) {
    await writeFile(join(folder, `${name}.keytab`), realm.keytab(name), { mode: 0o600 })
  }
  const service = await realm.loadService('orders')
  server = createServer(
    requireTicket({ service }, (req, res, ticket) => {
      res.statusCode = req.url === '/missing' ? 404 : 200
      res.end(`${req.method} by ${ticket.client}`)
    }),
  )
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterAll(async () => {
  process.chdir(home)
  server.close()
  await realm.close()
  await rm(folder, { recursive: true, force: true })
})

const orthrus = (...args: string[]) => runCommand(args, { env: { ORTHRUS_KDC: realm.kdc.url } })

const as = (name: string) => ['--keytab', join(folder, `${name}.keytab`)]
const admin = (...args: string[]) => orthrus('admin', ...args, ...as('root'))

describe('orthrus admin', () => {
  it('registers, shows, disables, enables and removes', async () => {
    const file = join(folder, 'new.keytab')
    expect(await admin('add', 'stock/1', '--out', file, '--max-life', '30m')).toMatchObject({
      code: 0,
      out: expect.stringContaining('added stock/1@demo.example, its key (kvno 1) is in'),
    })
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(parseKeytab(await readFile(file, 'utf8'))).toHaveLength(1)
    expect((await admin('show', 'stock/1')).out).toContain('30 min')
    expect((await admin('disable', 'stock/1')).out).toMatch(/^disabled stock\/1@demo.example\n/)
    expect((await admin('list')).out).toMatch(/stock\/1@demo\.example +kvno 1 +key +disabled/)
    expect((await admin('enable', 'stock/1')).out).toBe('enabled stock/1@demo.example\n')
    await admin('allow', 'stock/1', 'orders')
    const removed = await admin('remove', 'stock/1')
    expect(removed.out).toMatch(/^removed stock\/1@demo.example\n/)
    // What would let in whoever gets the name next is said, with what to type.
    const [, forget = ''] =
      /a rule still names it.* run: orthrus (admin policy --forget .*)\n/.exec(removed.err) ?? []
    expect((await orthrus(...forget.split(' '), ...as('root'))).out).toBe('forgotten\n')
    await admin('add', 'stock/1', '--out', join(folder, 'again.keytab'))
    expect(await admin('remove', 'stock/1')).toMatchObject({ code: 0, err: '' })
    expect((await admin('list')).out).not.toContain('stock/1')
  })

  it('overwrites no keytab, and registers nobody whose keytab exists', async () => {
    const file = join(folder, 'web.keytab')
    const { code, err } = await admin('add', 'other', '--out', file)
    expect({ code, err }).toEqual({
      code: 1,
      err: expect.stringMatching(/web\.keytab exists already .*name another file/),
    })
    expect((await admin('show', 'other')).code).toBe(1)
    expect(await readFile(file, 'utf8')).toBe(realm.keytab('web'))
  })

  it('registers nobody if the keytab cannot be written', async () => {
    process.chdir(folder)
    const both = await admin('add', 'x/y', 'x.y')
    expect(both).toMatchObject({ code: 2, err: expect.stringContaining('x.y.keytab') })
    const nowhere = await admin('add', 'lost', '--out', join(folder, 'no/such/folder.keytab'))
    expect(nowhere).toMatchObject({ code: 1, err: expect.stringContaining('could not be written') })
    for (const name of ['x/y', 'x.y', 'lost']) expect((await admin('show', name)).code).toBe(1)
    expect((await readdir(folder)).filter(name => name.endsWith('.tmp'))).toEqual([])
  })

  it('prints one JSON document for several principals, even if one fails', async () => {
    await mkdir(join(folder, 'several'))
    process.chdir(join(folder, 'several'))
    const added = await admin('add', 'p1', 'p2', '--json')
    expect(JSON.parse(added.out)).toEqual({
      added: [
        { principal: 'p1@demo.example', kvno: 1, keytab: 'p1.keytab' },
        { principal: 'p2@demo.example', kvno: 1, keytab: 'p2.keytab' },
      ],
    })
    expect(JSON.parse((await admin('disable', 'p1', 'p2', '--json')).out)).toEqual({
      disabled: ['p1@demo.example', 'p2@demo.example'],
      refusedBy: [],
      silent: [],
      knownFor: expect.any(Number),
    })
    const failed = await admin('remove', 'p1', 'nobody', 'p2', '--json')
    expect(failed.code).toBe(1)
    const nobodyFollows = { refusedBy: [], silent: [], knownFor: expect.any(Number) }
    expect(JSON.parse(failed.out)).toEqual({ removed: ['p1@demo.example'], ...nobodyFollows })
    expect(JSON.parse(failed.err)).toMatchObject({ error: { code: 'unknown_service' } })
    expect((await admin('remove', 'p1', '--json')).out).toBe('')
  })

  it('names keytabs after principals', async () => {
    await mkdir(join(folder, 'made'))
    process.chdir(join(folder, 'made'))
    expect((await admin('add', 'a/b', 'c')).out).toContain('a.b.keytab')
    expect(parseKeytab(await readFile('c.keytab', 'utf8'))[0]?.principal).toBe('c@demo.example')
  })

  it('sets, shows and forgets rules', async () => {
    const limits = ['--max-life', '1h', '--methods', 'GET,HEAD', '--paths', '/a,/b', '--delegable']
    await admin(
      'allow',
      'web/*',
      '*',
      '--claim',
      'tier:=3',
      '--claim',
      'scope=a',
      '--claim',
      'scope=b',
      ...limits,
    )
    const listed = JSON.parse((await admin('policy', 'web/*', '*', '--json')).out) as { rules: object[] }
    expect(listed.rules).toEqual([
      {
        client: patternIn(realm.kdc.realm, 'web/*'),
        service: '*',
        effect: 'allow',
        claims: { scope: ['a', 'b'], tier: 3 },
        maxLife: 3_600_000,
        methods: ['GET', 'HEAD'],
        paths: ['/a', '/b'],
        delegable: true,
        until: null,
        rate: null,
      },
    ])
    expect((await admin('deny', 'web/*', '*')).out).toMatch(/^deny web\/\* -> \*/)
    expect((await admin('policy')).out).toMatch(/deny +web\/\* +-> +\*/)
    expect((await admin('policy', 'web/*', '*', '--forget')).out).toBe('forgotten\n')
    expect((await admin('policy', 'web/*', '*')).out).toContain('no rule')
  })

  it('is for administrators only', async () => {
    const { code, err } = await orthrus('admin', 'list', ...as('web'))
    expect({ code, err }).toEqual({ code: 1, err: expect.stringMatching(/not_authorized.*role=admin/) })
  })

  it.each([
    [['remove', 'nobody'], /there is no principal nobody@demo\.example; run: orthrus admin list/],
    [['remove', 'krbtgt'], /krbtgt@demo\.example cannot be removed/],
    [['add', 'web', '--out', 'x.keytab'], /web@demo\.example exists already/],
    [['disable', 'root'], /cannot be disabled by itself/],
  ])('%j is refused', async (args, message) => {
    const { code, err } = await admin(...args)
    expect({ code, err }).toEqual({ code: 1, err: expect.stringMatching(message) })
  })

  it.each([
    [['add'], /missing required argument/],
    [['add', 'Web'], /not a principal: "Web@demo\.example"/],
    [['add', 'a', 'b', '--out', 'x'], /--out goes with a single name/],
    [['allow', 'web'], /missing required argument/],
    [['allow', 'w*', 'orders'], /neither a principal nor a pattern/],
    [['allow', 'web', 'orders', '--methods', 'get'], /upper case/],
    [['allow', 'web', 'orders', '--max-life', '1w'], /90s, 15m, 1h or 7d/],
    [['policy', '--forget'], /needs CLIENT and SERVICE/],
    [['policy', 'web', 'orders', 'more'], /too many arguments/],
    [['nonsense'], /unknown command/],
  ])('%j is wrong usage', async (args, message) => {
    const { code, err } = await admin(...args)
    expect({ code, err }).toEqual({ code: 2, err: expect.stringMatching(message) })
  })
})

describe('orthrus get', () => {
  it('gets tickets', async () => {
    expect(await orthrus('get', 'orders', ...as('web'))).toEqual({
      code: 0,
      out: expect.stringMatching(/^orders@demo\.example {2}ends in 5\d min {2}role=reader\n$/),
      err: '',
    })
  })

  it('says which tickets it did not get, and how to change that', async () => {
    const { code, out, err } = await orthrus('get', 'orders', 'root', ...as('web'))
    expect({ code, out, err }).toEqual({
      code: 1,
      out: expect.stringContaining('orders@demo.example'),
      err: expect.stringMatching(/policy_denied.*orthrus admin allow web root/),
    })
  })

  it('reports each ticket that it did not get', async () => {
    const { code, out, err } = await orthrus('get', 'root', 'orders', 'nobody', ...as('web'))
    expect({ code, out }).toEqual({ code: 1, out: expect.stringContaining('orders@demo.example') })
    expect(err).toMatch(/no ticket for root@.*\n.*no ticket for nobody@/)
  })

  it.each<[string[], string[], string[]]>([
    [['orders'], ['orders'], []],
    [['root'], [], ['root']],
    [['root', 'orders', 'nobody'], ['orders'], ['root', 'nobody']],
  ])('prints one JSON document: %j', async (services, granted, refused) => {
    const { code, out, err } = await orthrus('get', ...services, '--json', ...as('web'))
    expect({ code, err }).toEqual({ code: refused.length === 0 ? 0 : 1, err: '' })
    expect(JSON.parse(out)).toMatchObject({
      tickets: granted.map(name => ({
        service: `${name}@demo.example`,
        client: 'web@demo.example',
        claims: { role: 'reader' },
      })),
      refusals: refused.map(name => ({
        service: `${name}@demo.example`,
        code: 'policy_denied',
        final: true,
        hint: expect.stringContaining('orthrus admin policy'),
      })),
    })
  })

  it('refuses what is not a name, and asks for nothing then', async () => {
    for (const json of [[], ['--json']]) {
      const { code, out, err } = await orthrus('get', 'orders', 'Orders', ...json, ...as('web'))
      expect({ code, out }).toEqual({ code: 2, out: '' })
      expect(err).toContain('not a principal')
    }
  })

  it('needs a key', async () => {
    expect(await orthrus('get', 'orders')).toMatchObject({
      code: 2,
      err: expect.stringContaining('--keytab FILE'),
    })
  })
})

describe('orthrus call', () => {
  const call = (...args: string[]) => orthrus('call', ...args, '--service', 'orders', ...as('web'))

  it.each([
    [[], 'GET'],
    [['-d', 'x'], 'POST'],
  ])('with %j', async (args, method) => {
    expect(await call(`${url}/x`, ...args)).toEqual({
      code: 0,
      out: `${method} by web@demo.example`,
      err: '',
    })
  })

  it('takes a method, and shows the head', async () => {
    const { out } = await call('DELETE', `${url}/x`, '-i')
    expect(out).toMatch(/^200\n(?:.+\n)+\nDELETE by web@demo\.example$/)
  })

  it('fails if the service refuses, and prints what it answered', async () => {
    expect(await call(`${url}/missing`)).toEqual({
      code: 1,
      out: 'GET by web@demo.example',
      err: 'orthrus: the service answered 404\n',
    })
  })

  it('prints only what is proved', async () => {
    const { code, out, err } = await call(`http://127.0.0.1:${realm.kdc.address.port}/health`)
    expect({ code, out, err }).toEqual({
      code: 1,
      out: '',
      err: expect.stringContaining('response_unproved'),
    })
  })

  it.each([[['a', 'b', 'c']], [[]]])('%j is wrong usage', async words => {
    expect((await call(...words)).code).toBe(2)
  })
})

describe('orthrus inspect', () => {
  it('names the keys of a keytab without showing them', async () => {
    const { out } = await orthrus('inspect', join(folder, 'web.keytab'))
    expect(out).toContain('web@demo.example kvno 1')
    expect(out).not.toContain('orthruskey1_')
  })

  it('refuses what it does not recognise', async () => {
    for (const text of ['x'.repeat(5000), 'no\0name', `${join(folder, 'web.keytab')}/x`]) {
      expect((await orthrus('inspect', text)).err).toContain('neither a file nor')
    }
    const loop = join(folder, 'loop')
    await symlink(loop, loop)
    expect((await orthrus('inspect', loop)).err).toMatch(/loop cannot be read: ELOOP/)
    expect(await orthrus('inspect', 'nonsense')).toMatchObject({
      code: 2,
      err: expect.stringContaining('neither a file'),
    })
    const cut = formatKeytab(parseKeytab(realm.keytab('web'))).slice(0, -9)
    await writeFile(join(folder, 'cut.keytab'), cut, { mode: 0o600 })
    expect(await orthrus('inspect', join(folder, 'cut.keytab'))).toMatchObject({
      code: 1,
      err: expect.stringMatching(/keytab_invalid.*line 2 of the keytab .*cut\.keytab:.*cut off/),
    })
    for (const broken of [`\uFEFF${cut}`, cut.replaceAll('\n', '\r\n'), cut.slice(9)]) {
      await writeFile(join(folder, 'cut.keytab'), broken, { mode: 0o600 })
      expect((await orthrus('inspect', join(folder, 'cut.keytab'))).err).toMatch(
        /keytab_invalid: line 1 of the keytab .*cut\.keytab: /,
      )
    }
    await writeFile(join(folder, 'cut.keytab'), cut, { mode: 0o600 })
    const note = join(folder, 'note.txt')
    await writeFile(note, 'milk, eggs')
    expect((await orthrus('inspect', note)).err).toMatch(
      /note\.txt is not a keytab, a login, a credential, a join code or a ticket/,
    )
    for (const command of [
      ['inspect', join(folder, 'web.keytab')],
      ['get', 'orders'],
    ]) {
      const { err } = await orthrus(...command, '--keytab', join(folder, 'cut.keytab'))
      expect(err).toMatch(/line 2 of the keytab .*cut\.keytab: it was cut off/)
    }
    const other = await orthrus(
      'get',
      'orders',
      '--keytab',
      join(folder, 'web.keytab'),
      '--principal',
      'gate',
    )
    expect(other.err).toMatch(
      /the keytab .*web\.keytab has no key of gate@.*it has keys of web@demo\.example/,
    )
  })
})

describe('orthrus init', () => {
  it('makes what the KDC needs, for its owner only, and only once', async () => {
    const data = join(folder, 'data')
    expect(await orthrus('init', 'made.example', '--data', data)).toMatchObject({ code: 0 })
    for (const [name, mode] of [
      ['.', 0o700],
      ['db', 0o700],
      ['master.key', 0o600],
      ['admin.keytab', 0o600],
    ] as const) {
      expect([name, (await stat(join(data, name))).mode & 0o777]).toEqual([name, mode])
    }
    const again = await orthrus('init', 'made.example', '--data', data)
    expect(again).toMatchObject({ code: 1, err: expect.stringContaining('has a realm already') })
  })

  it('makes one realm if several commands run at once, and removes nothing of it', async () => {
    const data = join(folder, 'at-once')
    const inits = Array.from({ length: 3 }, () => orthrus('init', 'made.example', '--data', data))
    const outcomes = await Promise.all(inits)
    expect(outcomes.map(({ code }) => code).sort()).toEqual([0, 1, 1])
    expect((await readdir(data)).sort()).toEqual(['admin.keytab', 'db', 'master.key'])
    for (const { code, err } of outcomes) if (code !== 0) expect(err).toContain('has a realm already')
    const kdc = await startKdc({ dataDirectory: data, listen: { port: 0 } })
    const admin = await connect({ kdc: kdc.url, keytab: join(data, 'admin.keytab') })
    expect((await admin.getServiceTicket('kdc')).client).toBe('admin@made.example')
    admin.close()
    await kdc.close()
  })

  it.each(['Demo', 'a..b', '-a', ''])('refuses the realm %j', async name => {
    expect(await orthrus('init', name, '--data', join(folder, 'no'))).toMatchObject({ code: 2 })
  })

  it('is needed before orthrus kdc, which refuses a folder without a realm', async () => {
    expect(await orthrus('kdc', '--data', join(folder, 'none'))).toMatchObject({
      code: 1,
      err: expect.stringMatching(/there is no realm in .*orthrus init/),
    })
  })
})

import { chmod, chown, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { followingFinding } from '../../cli/doctor-kdc.js'
import { clockFinding, nodeFinding, rotationFinding } from '../../cli/doctor-machine.js'
import { Administration } from '../../client/channel/administration.js'
import { startKdc } from '../../kdc/main.js'
import { createRealm } from '../../kdc/realm/create-realm.js'
import { createMemoryStore } from '../../kdc/store/memory.js'
import { MasterKey } from '../../kdc/vault/master-key.js'
import { Vault } from '../../kdc/vault/vault.js'
import { loadService } from '../../service/load-service.js'
import { NO_LIMITS } from '../../shared/administration/principals.js'
import { LongTermKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { formatKeytab, parseKeytab } from '../../shared/keytab/keytab.js'
import { silentLogger } from '../../shared/logger.js'
import { parseRealm, principalIn } from '../../shared/principal.js'
import { DAY, HOUR, MINUTE, systemClock } from '../../shared/time.js'
import { createTestClock } from '../../testing/clock.js'
import { startRealm, type TestRealm } from '../../testing/realm.js'
import { type Outcome, runCommand } from './run-command.js'

/** `orthrus doctor`: each fault is made, and its line is seen. */

let realm: TestRealm
let folder = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthrus-doctor-'))
  realm = await startRealm({ realm: 'demo.example', clock: createTestClock(systemClock.now()) })
  await realm.add('web')
  await write('web')
})

afterAll(async () => {
  await realm.close()
  await rm(folder, { recursive: true, force: true })
})

const pathOf = (name: string) => join(folder, `${name}.keytab`)

async function write(name: string, text = realm.keytab(name)): Promise<string> {
  await writeFile(pathOf(name), text, { mode: 0o600 })
  return pathOf(name)
}

/**
 * Runs while the KDC's clock goes as this machine's does.
 * @param ahead how far the KDC's clock is ahead, milliseconds
 */
async function doctor(file: string, words: readonly string[] = [], ahead = 0): Promise<Outcome> {
  const keepUp = (): void => realm.clock.advance(Math.max(0, systemClock.now() + ahead - realm.clock.now()))
  keepUp()
  const going = setInterval(keepUp, 5)
  try {
    return await runCommand(['doctor', '--keytab', file, ...words], { env: { ORTHRUS_KDC: realm.kdc.url } })
  } finally {
    clearInterval(going)
  }
}

interface Told {
  readonly healthy: boolean
  readonly findings: readonly { name: string; state: string; text: string; next?: string }[]
}

/** What it says about one thing, and its exit code. */
async function about(name: string, file: string, words: readonly string[] = [], ahead = 0) {
  const { code, out } = await doctor(file, [...words, '--json'], ahead)
  const { findings, healthy }: Told = JSON.parse(out)
  expect(code).toBe(healthy ? 0 : 1)
  return { code, found: findings.filter(finding => finding.name === name), findings }
}

describe('orthrus doctor', () => {
  it('finds nothing wrong where nothing is, and says what it saw', async () => {
    const { code, out } = await doctor(pathOf('web'))
    expect(code).toBe(0)
    const lines = out.trimEnd().split('\n')
    expect(lines.at(-1)).toBe('nothing is wrong')
    for (const line of [
      /^ok +node +version \d+/,
      /^ok +keytab +.*web\.keytab, mode 600, uid \d+, changed \d+ s ago$/,
      /^ok +keys +web@demo\.example, kvno 1$/,
      /^ok +process +no process of this machine serves under kvno 1$/,
      /^ok +tls +the KDC is on this machine/,
      /^ok +kdc +ws:.* answers$/,
      /^ok +realm +demo\.example is proved: whoever answered has the key of web@demo\.example$/,
      /^(?:ok|note) +clock +this machine's clock is \d+ ms (?:behind|ahead of) the KDC's$/,
      /^ok +kvno +1 is the current one at the KDC, \d+ s old$/,
      /^ok +rotation +the realm sets no age/,
      /^note +feed +nobody follows what is revoked as web@demo\.example/,
    ]) {
      expect(lines).toContainEqual(expect.stringMatching(line))
    }
  })

  it('is told nothing of a key, and changes nothing', async () => {
    const before = await readFile(pathOf('web'), 'utf8')
    const { out, err } = await doctor(pathOf('web'), ['--json'])
    expect(await readFile(pathOf('web'), 'utf8')).toBe(before)
    expect(out + err).not.toContain('orthruskey1_')
    expect((await realm.administration.show(principalIn(realm.kdc.realm, 'web'))).kvnos).toEqual([1])
  })

  it('wants to know whose keytab', async () => {
    const { code, err } = await runCommand(['doctor'])
    expect(code).toBe(2)
    expect(err).toContain('--keytab FILE')
  })
})

describe('a keytab', () => {
  it('that is missing', async () => {
    const { found } = await about('keytab', join(folder, 'nothing'))
    expect(found).toMatchObject([{ state: 'wrong', text: expect.stringContaining('does not exist') }])
  })

  it('that others can read, unless that is allowed', async () => {
    const file = await write('readable', realm.keytab('web'))
    await chmod(file, 0o644)
    const { found } = await about('keytab', file)
    expect(found).toMatchObject([
      {
        state: 'wrong',
        text: expect.stringContaining('(mode 644)'),
        next: expect.stringContaining(`chmod 600 ${file}`),
      },
    ])
    expect((await about('keytab', file, ['--allow-readable-keytab'])).found).toMatchObject([{ state: 'ok' }])
  })

  it('that a link leads to', async () => {
    const link = join(folder, 'link')
    await symlink(pathOf('web'), link)
    const { found } = await about('keytab', link)
    expect(found).toMatchObject([{ state: 'wrong', text: expect.stringContaining('symbolic link') }])
  })

  it.skipIf(process.getuid?.() !== 0)('of another user (only root can make one)', async () => {
    const file = await write('foreign', realm.keytab('web'))
    await chown(file, 12_345, 12_345)
    const { found } = await about('keytab', file)
    expect(found).toMatchObject([{ state: 'wrong', text: expect.stringContaining('uid 12345') }])
  })

  it('whose lines end as on Windows', async () => {
    const file = await write('windows', realm.keytab('web').replaceAll('\n', '\r\n'))
    const { found } = await about('keytab', file)
    expect(found).toMatchObject([
      { state: 'ok' },
      { state: 'wrong', text: expect.stringContaining('CR LF'), next: expect.stringContaining('dos2unix') },
    ])
  })

  it('in a folder that others can write into', async () => {
    const open = join(folder, 'open')
    await mkdir(open)
    await chmod(open, 0o777)
    await writeFile(join(open, 'web.keytab'), realm.keytab('web'), { mode: 0o600 })
    const { found } = await about('folder', join(open, 'web.keytab'))
    expect(found).toMatchObject([{ state: 'wrong', next: `chmod go-w ${open}` }])
  })

  it('beside which a change was left unfinished', async () => {
    const file = await write('left', realm.keytab('web'))
    await mkdir(`${file}.lock`)
    await writeFile(`${file}.0123456789ab.tmp`, '', { mode: 0o600 })
    const { found, code } = await about('left over', file)
    expect(code).toBe(0)
    expect(found.map(({ text }) => text.split(' ')[0])).toEqual([
      'left.keytab.0123456789ab.tmp',
      'left.keytab.lock',
    ])
  })
})

describe('the KDC', () => {
  const freePort = async (serve = false): Promise<number> => {
    const server = createServer(socket => socket.on('error', () => {}).end('hello\r\n\r\n'))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    if (serve) onTestFinished(() => void server.close())
    else await new Promise(resolve => server.close(resolve))
    return port
  }

  it('that is not there', async () => {
    const { found } = await about('kdc', pathOf('web'), ['--kdc', `ws://127.0.0.1:${await freePort()}`])
    expect(found).toMatchObject([
      {
        state: 'wrong',
        text: expect.stringContaining('nothing listens there'),
        next: expect.stringContaining('orthrus kdc'),
      },
    ])
  })

  it('that does not speak TLS', async () => {
    const { found, findings } = await about('kdc', pathOf('web'), [
      '--kdc',
      `wss://127.0.0.1:${await freePort(true)}`,
    ])
    expect(found).toMatchObject([{ state: 'wrong', next: expect.stringMatching(/ws:\/\/|wss:\/\//) }])
    expect(findings).toContainEqual(expect.objectContaining({ name: 'tls', state: 'ok' }))
  })

  it('that is reached without TLS from another machine', async () => {
    const { found } = await about('tls', pathOf('web'), [
      '--kdc',
      `ws://127.0.0.1.invalid:${await freePort()}`,
    ])
    expect(found).toMatchObject([{ state: 'note', next: expect.stringContaining('wss://') }])
  })

  it('that refuses the login: the principal is disabled, or the key is another', async () => {
    await realm.add('shut', 'wrong')
    await realm.administration.disable(principalIn(realm.kdc.realm, 'shut'))
    const shut = await about('login', await write('shut'))
    expect(shut.found).toMatchObject([
      {
        state: 'wrong',
        text: expect.stringContaining('principal_disabled'),
        next: 'run: orthrus admin enable shut',
      },
    ])
    const [entry] = parseKeytab(realm.keytab('wrong'))
    if (entry === undefined) throw new Error('no key')
    const file = await write('wrong', formatKeytab([{ ...entry, key: new LongTermKey(systemRandom(32)) }]))
    const refused = await about('login', file)
    expect(refused.found).toMatchObject([
      { state: 'wrong', next: expect.stringContaining('orthrus admin show wrong') },
    ])
    expect(refused.findings).toContainEqual(expect.objectContaining({ name: 'kdc', state: 'ok' }))
  })

  it('that no longer has one of the keys', async () => {
    await realm.add('twice')
    const [entry] = parseKeytab(realm.keytab('twice'))
    if (entry === undefined) throw new Error('no key')
    const lost = { ...entry, kvno: 7, key: new LongTermKey(systemRandom(32)) }
    const { found, code } = await about('kvno', await write('twice', formatKeytab([lost, entry])))
    expect(code).toBe(0)
    expect(found).toMatchObject([
      { state: 'ok', text: expect.stringContaining('1 is the current one') },
      {
        state: 'note',
        text: expect.stringContaining('no longer has kvno 7'),
        next: expect.stringContaining('keytab refresh'),
      },
    ])
  })

  it('that asked for another key', async () => {
    await realm.add('due')
    await realm.administration.keys.rotate(principalIn(realm.kdc.realm, 'due'))
    const file = await write('due')
    const { found } = await about('rotation', file)
    expect(found).toMatchObject([{ state: 'note', next: `orthrus keytab refresh ${file}` }])
  })
})

describe('the service', () => {
  it('that runs here, and follows what is revoked', async () => {
    await realm.add('orders')
    const file = await write('orders')
    const service = await realm.loadService('orders', {
      keytab: file,
      kdc: realm.kdc.url,
      allowReplayAcrossProcesses: false,
    })
    onTestFinished(() => void service.close())
    const { findings, code } = await about('process', file)
    expect(code).toBe(0)
    const texts = Object.fromEntries(findings.map(({ name, text }) => [name, text]))
    expect(texts.process).toMatch(new RegExp(`^process ${process.pid}.* serves under kvno 1`))
    expect(texts.feed).toMatch(
      /^followed from 127\.0\.0\.1, last heard \d+ s ago, with everything that is revoked$/,
    )
  })

  it('that followed, and is silent', async () => {
    await realm.add('gone')
    const service = await realm.loadService('gone', { kdc: realm.kdc.url })
    const rows = async () => (await realm.administration.revocations.followers({ seq: 0, wait: 0 })).rows
    const own = async () => (await rows()).filter(({ principal }) => principal.startsWith('gone@'))
    await expect.poll(own).toMatchObject([{ connected: true }])
    await service.close()
    await expect.poll(own).toMatchObject([{ connected: false }])
    const { found } = await about('feed', await write('gone'))
    expect(found).toMatchObject([{ state: 'note', text: expect.stringContaining('was last heard') }])
    realm.clock.advance(11 * MINUTE)
    const later = await about('feed', pathOf('gone'))
    expect(later.found).toMatchObject([
      { state: 'wrong', text: expect.stringContaining('it refuses every ticket by now') },
    ])
  })
})

const hasIpv6 = Object.values(networkInterfaces()).some(all => all?.some(({ address }) => address === '::1'))

describe.skipIf(!hasIpv6)(
  'two processes under one key (only where this machine has two loopback addresses)',
  () => {
    it('are seen from each of them, by the addresses that the KDC knows', async () => {
      const store = createMemoryStore()
      const masterKey = new MasterKey(systemRandom(32))
      const vault = new Vault(store, masterKey, systemRandom)
      await createRealm({
        vault,
        realm: parseRealm('demo.example'),
        clock: systemClock,
        random: systemRandom,
      })
      const kdc = await startKdc({ store, masterKey, listen: { host: '::', port: 0 } })
      onTestFinished(() => kdc.close())
      const administration = new Administration({
        call: (method, args) => kdc.administration.call(method, args),
      })
      const principal = principalIn(kdc.realm, 'orders')
      const { kvno, key } = await administration.add({ principal, password: null, ...NO_LIMITS })
      const file = await write(
        'both',
        formatKeytab([{ principal, kvno, key: key ?? expect.unreachable('no key') }]),
      )
      const urls = ['[::1]', '127.0.0.1'].map(host => `ws://${host}:${kdc.address.port}`)
      for (const url of urls) {
        const service = await loadService({
          keytab: file,
          kdc: url,
          allowReplayAcrossProcesses: true,
          logger: silentLogger,
        })
        onTestFinished(() => service.close())
      }
      const rows = async () => (await administration.revocations.followers({ seq: 0, wait: 0 })).rows
      await expect.poll(async () => (await rows()).filter(({ connected }) => connected).length).toBe(2)
      const { found, code } = await about('second process', file, ['--kdc', urls[1] ?? ''])
      expect(code).toBe(1)
      expect(found).toMatchObject([
        {
          state: 'wrong',
          text: expect.stringMatching(/served from (?:0:0:0:0::\/64 and 127|127\.0\.0\.1 and 0:)/),
        },
      ])
    })
  },
)

describe('what takes long to come about', () => {
  const row = (address: string, rest = {}) => ({
    principal: principalIn(realm.kdc.realm, 'orders'),
    address,
    seen: 3,
    sent: 3,
    connected: true,
    silentFor: 0,
    ...rest,
  })

  it.each([
    ['one machine', [at('192.0.2.1'), at('192.0.2.1')], 'ok'],
    ['two machines under one key', [at('192.0.2.1'), at('192.0.2.2')], 'wrong'],
    ['one that moved', [at('192.0.2.1'), at('192.0.2.2', { connected: false })], 'ok'],
    ['one that is behind', [at('192.0.2.1', { seen: 1 })], 'note'],
    ['one that left a moment ago', [at('192.0.2.1', { connected: false })], 'note'],
    ['one that is silent for long', [at('192.0.2.1', { connected: false, silentFor: 11 * MINUTE })], 'wrong'],
    ['none', [], 'note'],
  ])('a service on %s', (_, rows, state) => {
    const found = followingFinding(
      'orders@demo.example',
      rows.map(([address, rest]) => row(address, rest)),
    )
    expect(found.state).toBe(state)
    if (state === 'wrong') expect(found.next).toBeDefined()
  })

  it.each([
    ['20.18.9', 'wrong'],
    ['18.20.0', 'wrong'],
    ['20.19.0', 'ok'],
    ['24.1.0', 'ok'],
  ])('Node %s', (version, state) => {
    expect(nodeFinding(version).state).toBe(state)
  })

  it.each([
    [0, 'ok', '0 ms behind'],
    [-999, 'ok', '999 ms ahead of'],
    [1_000, 'note', '1000 ms behind'],
    [-5_000, 'wrong', '5000 ms ahead of'],
    [HOUR, 'wrong', '60 min behind'],
  ])('a clock that is %d ms apart', (apart, state, text) => {
    const found = clockFinding(apart)
    expect(found.state).toBe(state)
    expect(found.text).toContain(text)
  })

  it.each([
    [null, 'ok'],
    [1, 'ok'],
    [-DAY, 'note'],
    [-2 * DAY, 'wrong'],
  ])('a key that is due in %d ms', (due, state) => {
    expect(rotationFinding(due === null ? null : 10 * DAY + due, 10 * DAY, 'web.keytab').state).toBe(state)
  })

  it('a clock that is an hour off is measured at the KDC', async () => {
    const { found, code } = await about('clock', pathOf('web'), [], HOUR)
    expect(code).toBe(1)
    expect(found).toMatchObject([
      { state: 'wrong', text: expect.stringMatching(/(?:59|60) min behind/), next: expect.any(String) },
    ])
  })
})

function at(address: string, rest = {}): readonly [string, object] {
  return [address, rest]
}

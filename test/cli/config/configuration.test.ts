import { chmod, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { requireOwn } from '../../../cli/config/file.js'
import { flagSettings } from '../../../cli/config/settings.js'
import { kdcCommand } from '../../../cli/kdc.js'
import { DEFAULT_LIMITS } from '../../../kdc/limits/defaults.js'
import { root } from '../../end-to-end/processes.js'
import { type Outcome, runCommand } from '../run-command.js'
import { limitRows, settingRows } from './tables.js'

let folder = ''
let file = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthrus-config-'))
  file = join(folder, 'kdc.toml')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

type Env = Record<string, string>
const write = (text: string) => writeFile(file, text, { mode: 0o600 })
const print = (args: readonly string[] = [], env: Env = {}): Promise<Outcome> =>
  runCommand(['kdc', '--print-config', ...args], { env })
const command = () => kdcCommand({ out: () => {}, err: () => {}, env: {} })

interface Shown {
  readonly value: unknown
  readonly source: string
  readonly from: string
}

async function inForce(args: readonly string[], env: Env = {}): Promise<Record<string, Shown>> {
  const { code, out, err } = await print([...args, '--json'], env)
  expect([code, err]).toEqual([0, ''])
  return (JSON.parse(out) as { settings: Record<string, Shown> }).settings
}

/** @returns what was said of it; nothing is printed, and nothing started */
async function refusal(text: string, env: Env = {}): Promise<string> {
  await write(text)
  const { code, out, err } = await print(['--config', file], env)
  expect([text, code, out]).toEqual([text, 2, ''])
  return err.trim().replace(file, 'FILE')
}

describe('settings of a KDC', () => {
  it('count in this order: a flag, a variable, the file, the default; each says where it comes from', async () => {
    await write('listen = "127.0.0.1:1"\nlog-level = "warn"\n[limits]\nidle = "1h"\nparams = "9/2m"')
    const env = { ORTHRUS_LISTEN: '[::1]:2', ORTHRUS_LIMITS_IDLE: '2h', ORTHRUS_DATA: '' }
    const settings = await inForce(['--config', file, '--listen', 'localhost:3'], env)
    const of = (key: string) => settings[key]
    expect(of('listen')).toEqual({ value: 'localhost:3', source: 'flag', from: '--listen' })
    expect(of('limits.idle')).toEqual({ value: '2h', source: 'variable', from: 'ORTHRUS_LIMITS_IDLE' })
    expect(of('log-level')).toEqual({ value: 'warn', source: 'file', from: file })
    expect(of('limits.params')).toEqual({ value: '9/2m', source: 'file', from: file })
    expect(of('data')).toEqual({ value: 'orthrus-data', source: 'default', from: 'default' })
    const other = await inForce([], { ORTHRUS_CONFIG: file, ORTHRUS_LISTEN: '[::1]:2' })
    expect(other.listen).toEqual({ value: '[::1]:2', source: 'variable', from: 'ORTHRUS_LISTEN' })
    expect(other['log-level']?.value).toBe('warn')
  })

  it('that have a line feed in them add no line to what is printed', async () => {
    const { out } = await print(['--data', 'a\nlisten = "0.0.0.0:9"'])
    expect(out.split('\n').filter(line => line.startsWith('listen'))).toHaveLength(1)
    expect(out).toContain('a\\u000alisten')
  })

  it('that may be repeated are lists, and connections are a limit with a flag', async () => {
    await write('allow-origin = ["https://a.example", "https://b.example/"]\n[limits]\nconnections = 5')
    const settings = await inForce(['--config', file, '--connections', '7'], {
      ORTHRUS_TRUSTED_PROXY: '10.0.0.1, fd00::/8',
    })
    expect(settings['allow-origin']?.value).toEqual(['https://a.example', 'https://b.example/'])
    expect(settings['trusted-proxy']?.value).toEqual(['10.0.0.1', 'fd00::/8'])
    expect(settings['limits.connections']).toEqual({ value: 7, source: 'flag', from: '--connections' })
    const twice = await inForce(['--trusted-proxy', '10.0.0.1', '--trusted-proxy', '10.0.0.2'])
    expect(twice['trusted-proxy']?.value).toEqual(['10.0.0.1', '10.0.0.2'])
    expect((await inForce(['--config', file]))['limits.connections']?.value).toBe(5)
  })

  it('are printed as a file that gives the same again', async () => {
    await write('data = "a \\"b\\" \\u00e9"\nallow-readable-master-key = true\nlimits.failed-logins = "3/1h"')
    const first = await print(['--config', file, '--trusted-proxy', '10.0.0.0/8'])
    expect(first.code).toBe(0)
    await write(first.out)
    const again = await print(['--config', file])
    const bare = ({ out }: Outcome) => out.replaceAll(/ +# .*$/gm, '')
    expect(bare(again)).toBe(bare(first))
    expect(bare(first)).toContain('data = "a \\"b\\" é"')
    expect(again.out).toContain(`trusted-proxy = ["10.0.0.0/8"]`)
  })

  it('show no secret: of a command for the master key only the program', async () => {
    await write('master-key-command = "vault kv get -token=s3cret"')
    const text = await print(['--config', file])
    const json = await print(['--config', file, '--json'])
    expect(text.out).toMatch(/^# The master key comes from the command vault\.$/m)
    expect(text.out).toContain('master-key-command = "vault ..."')
    const key = `orthrusmaster1_${'A'.repeat(48)}`
    const variable = await print([], { ORTHRUS_MASTER_KEY_VISIBLE_IN_ENVIRONMENT: key })
    expect(variable.out).toContain('comes from the variable ORTHRUS_MASTER_KEY_VISIBLE_IN_ENVIRONMENT')
    expect([text, json, variable].map(({ out }) => out).join()).not.toMatch(/s3cret|AAAA/)
    expect(await refusal(`data = "${key}"`)).toMatch(/FILE has a key or another secret in it/)
  })
})

describe('settings that do not go together', () => {
  it.each([
    ['tls-cert = "kdc.pem"', 2, 'TLS needs both'],
    ['metrics-public = true', 2, 'give both'],
    ['metrics = "0.0.0.0:9750"', 1, '--metrics-public'],
    ['metrics = "127.0.0.1:8750"', 1, 'cannot share port 8750'],
    ['console-host = ["kdc.example"]', 2, 'give it too'],
    ['console = "0.0.0.0:8760"', 1, '--allow-console-without-tls'],
    ['console = "127.0.0.1:8750"', 1, 'cannot share port 8750'],
  ])('are refused before a restart would: %s', async (text, code, said) => {
    await write(text)
    expect(await print(['--config', file])).toMatchObject({
      code,
      out: '',
      err: expect.stringContaining(said),
    })
  })
})

describe('a setting that cannot be', () => {
  it.each([
    ['lisen = "x"', 'FILE: lisen does not exist; did you mean listen?'],
    [
      '[limits]\nfailed-login = "3/1m"',
      'FILE: limits.failed-login does not exist; did you mean limits.failed-logins?',
    ],
    ['[tls]\ncolour = 3', /^orthrus: FILE: tls does not exist; there are data, listen, /],
    ['config = "x"', /FILE: config does not exist; /],
    ['connections = 3', 'FILE: connections does not exist; did you mean limits.connections?'],
    ['listen = 8750', 'FILE: listen is a text in quotes, not 8750'],
    ['listen = "8750"', 'FILE: listen cannot be "8750". Write an address as 127.0.0.1:8750'],
    ['log-level = "loud"', 'FILE: log-level cannot be "loud". Allowed choices are debug, info, warn, error.'],
    ['data = ""', 'FILE: data has an empty value'],
    ['data = 2027-01-01', 'FILE: data is a text in quotes, not a date'],
    ['trusted-proxy = "10.0.0.1"', 'FILE: trusted-proxy is a list of texts, as ["a", "b"], not "10.0.0.1"'],
    ['trusted-proxy = ["0.0.0.0/0"]', /FILE: trusted-proxy cannot be "0\.0\.0\.0\/0"\. .*too wide/],
    ['allow-readable-master-key = "yes"', 'FILE: allow-readable-master-key is true or false, not "yes"'],
    ['limits = 3', 'FILE: limits is a table, [limits], not 3'],
    ['[limits]\nconnections = 0', 'FILE: limits.connections is a whole number from 1 to 999999, not 0'],
    ['[limits]\nconnections = 1000000', 'not 1000000'],
    ['[limits]\nconnections = 1.5', 'FILE: limits.connections is a whole number, not 1.5'],
    ['[limits]\nconnections = "many"', 'FILE: limits.connections is a whole number, not "many"'],
    ['[limits]\nidle = 600', 'FILE: limits.idle is a text as "10s", "5m", "1h" or "1d", not 600'],
    ['[limits]\nidle = "8d"', 'FILE: limits.idle has a time from 1s to 7d, not "8d"'],
    ['[limits]\nidle = "0s"', 'FILE: limits.idle has a time as'],
    ['[limits]\nparams = "30"', 'FILE: limits.params is a number in a time, as "30/1m"'],
    ['[limits]\nparams = "30/1y"', 'FILE: limits.params has a time as'],
    ['[limits]\nparams = { points = 3 }', 'FILE: limits.params is a text as "30/1m", not a table'],
    ['listen = "a\n', /FILE:1:\d+: /],
    ['data = "a"\ndata = "b"', /FILE:2:\d+: .*(redefine|defined)/],
    ['__proto__ = "x"', /FILE:1:1: /],
  ])('%j is named with its file and key', async (text, message) => {
    expect(await refusal(text)).toEqual(
      typeof message === 'string' ? expect.stringContaining(message) : expect.stringMatching(message),
    )
  })

  it.each([
    [
      { ORTHRUS_LISEN: '127.0.0.1:1' },
      'the variable ORTHRUS_LISEN is no setting; did you mean ORTHRUS_LISTEN?',
    ],
    [{ ORTHRUS_LIMITS_PARAM: '3/1m' }, 'did you mean ORTHRUS_LIMITS_PARAMS?'],
    [{ ORTHRUS_LIMITS_PARAMS: '3' }, 'ORTHRUS_LIMITS_PARAMS: is a number in a time, as "30/1m"'],
    [{ ORTHRUS_LISTEN: '8750' }, 'ORTHRUS_LISTEN: cannot be "8750". Write an address'],
    [{ ORTHRUS_ALLOW_READABLE_MASTER_KEY: '1' }, 'write true or false, not "1"'],
  ])('as a variable %j is named too', async (env, message) => {
    expect(await refusal('', env)).toContain(message)
  })

  it('is not a variable that Kubernetes sets for a service of this name, or that tests are told by', async () => {
    const env = { ORTHRUS_PORT: 'tcp://10.0.0.1:8750', ORTHRUS_SERVICE_HOST: '10.0.0.1', ORTHRUS_SLOW: '1' }
    expect(await inForce([], { ...env, ORTHRUS_KDC: 'ws://x', ORTHRUS_KEYTAB: 'k' })).toBeDefined()
  })
})

describe('a file of settings', () => {
  it.skipIf(process.platform === 'win32')(
    'that others may write is refused, and one that they may read is not',
    async () => {
      await write('')
      for (const mode of [0o620, 0o602, 0o666]) {
        await chmod(file, mode)
        const { code, err } = await print(['--config', file])
        expect([code, err]).toEqual([1, expect.stringMatching(/can be written by others .*chmod go-w/)])
      }
      await chmod(file, 0o644)
      // Kubernetes mounts such files by links.
      await symlink(file, join(folder, 'link.toml'))
      expect((await print(['--config', join(folder, 'link.toml')])).code).toBe(0)
    },
  )

  it('belongs to whoever runs the KDC, or to root', () => {
    const facts = (uid: number) => ({ uid, mode: 0o100_644, isFile: () => true })
    expect(() => requireOwn('x', facts(7), 7)).not.toThrow()
    expect(() => requireOwn('x', facts(0), 7)).not.toThrow()
    expect(() => requireOwn('x', facts(8), 7)).toThrow(/belongs to another user \(uid 8\)/)
    expect(() => requireOwn('x', facts(8), 0)).toThrow(/belongs to another user/)
  })

  it('that is missing, a folder or too large says so', async () => {
    const said = async (path: string) => (await print(['--config', path])).err
    expect(await said(join(folder, 'none'))).toContain('cannot be opened: ENOENT')
    expect(await said(folder)).toMatch(/not a plain file|EISDIR/)
    await write('#'.repeat(65 * 1024))
    expect(await said(file)).toContain('larger than 65536 bytes')
  })
})

describe('docs/configuration.md', () => {
  it('has every flag, every limit and every default as the code has them, and nothing else', async () => {
    const text = await readFile(join(root, 'docs/configuration.md'), 'utf8')
    const rows = text.split('\n').filter(line => line.startsWith('| `'))
    expect(rows).toEqual([...settingRows(command()), ...limitRows()])
    expect(limitRows()).toHaveLength(Object.keys(DEFAULT_LIMITS).length)
  })

  it('shows a file that is taken', async () => {
    const text = await readFile(join(root, 'docs/configuration.md'), 'utf8')
    await write(/^```toml\n(.*?)^```$/ms.exec(text)?.[1] ?? expect.unreachable('it has no file'))
    const settings = await inForce(['--config', file])
    expect(settings['limits.failed-logins']).toMatchObject({ value: '10/1m', source: 'file' })
  })

  it('has an entry for every flag, but for those that are about the file and the answer', () => {
    const all = command().options.map(({ long }) => long?.slice(2))
    const entries = flagSettings(command()).map(({ key }) => key)
    expect(all.filter(flag => !entries.includes(flag ?? '')).sort()).toEqual([
      'config',
      'connections',
      'json',
      'print-config',
    ])
  })
})

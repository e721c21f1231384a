import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { enrol } from '../../client/channel/invitations.js'
import { openKdcChannel } from '../../client/channel/kdc-channel.js'
import { connect } from '../../client/connect.js'
import { formatJoinCode, parseJoinCode } from '../../shared/keytab/join-code.js'
import { formatKeytab, parseKeytab } from '../../shared/keytab/keytab.js'
import { startRealm, type TestRealm } from '../../testing/realm.js'
import { runCommand } from './run-command.js'

/** `orthrus admin invite`, `invitations`, `uninvite` and `orthrus join`, against a KDC. */

let realm: TestRealm
let folder = ''

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthrus-invite-'))
  realm = await startRealm({ realm: 'demo.example' })
  await realm.add('root')
  await realm.allow('root', 'kdc', { claims: { role: 'admin' } })
  await writeFile(join(folder, 'root'), realm.keytab('root'), { mode: 0o600 })
})

afterEach(async () => {
  await realm.close()
  await rm(folder, { recursive: true, force: true })
})

const admin = (...args: string[]) =>
  runCommand(['admin', ...args, '--keytab', join(folder, 'root')], { env: { ORTHRUS_KDC: realm.kdc.url } })

const file = (name: string) => join(folder, name)

async function invite(...args: string[]): Promise<string> {
  const { code, out, err } = await admin('invite', ...args)
  expect(err).toContain('whoever has the code has the key')
  expect(code).toBe(0)
  return out.trim()
}

const joining = (code: string, keytab: string, ...more: string[]) =>
  runCommand(['join', code, '--keytab', file(keytab), ...more])

describe('a new host', () => {
  it('gets its key with a code, and with nothing else', async () => {
    const code = await invite('orders')
    expect(parseJoinCode(code).kdc).toEqual([realm.kdc.url])
    const joined = await joining(code, 'orders.keytab')
    expect(joined).toMatchObject({
      code: 0,
      out: `joined as orders@demo.example, its key is in ${file('orders.keytab')}\n`,
    })
    expect((await stat(file('orders.keytab'))).mode & 0o777).toBe(0o600)
    const got = await runCommand(['get', 'kdc', '--keytab', file('orders.keytab'), '--kdc', realm.kdc.url])
    expect(got).toMatchObject({ code: 0, err: '' })
    const listed = await admin('invitations')
    expect(listed.out).toMatch(
      /^invite-[0-9a-f]{16} {2}orders {2}used 1 of 1 {2}used up {2}last .* from 127\.0\.0\.1$/m,
    )
  })

  it('reads the code from a file, and says in JSON what it is now', async () => {
    await writeFile(file('code'), `${await invite('orders')}\n`)
    const { code, out } = await joining(file('code'), 'k', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(out)).toEqual({ principal: 'orders@demo.example', keytab: file('k') })
  })

  it('becomes an instance of a fleet, each with a principal of its own', async () => {
    const code = await invite('orders/*', '--uses', '2', '--expires', '30d', '--principals-expire', '2d')
    expect((await joining(code, 'a', '--instance', 'host-a')).out).toContain('joined as orders/host-a@')
    expect(await joining(code, 'x', '--instance', 'host-a')).toMatchObject({
      code: 1,
      err: expect.stringContaining('orders/host-a@demo.example exists already'),
    })
    expect((await joining(code, 'b')).out).toMatch(/joined as orders\/[0-9a-f]{8}@/)
    expect((await joining(code, 'c')).err).toContain('the join code was used at')
    expect((await admin('list')).out).toMatch(/orders\/host-a@demo.example .*expire[sd] 2026-01-03/)
  })

  it.each<[string, (code: string) => Promise<string> | string, RegExp]>([
    [
      'used by another host',
      async code => {
        expect((await joining(code, 'other')).code).toBe(0)
        return code
      },
      /the join code was used at 20.* from 127\.0\.0\.1.*on a volume.*admin revoke key.*admin invite/,
    ],
    [
      'withdrawn',
      async code => {
        const name = parseJoinCode(code).invitation.principal
        const { out } = await admin('uninvite', name)
        expect(out).toMatch(/^withdrew invite-/)
        return code
      },
      /the join code was withdrawn at 20.*admin invite/,
    ],
    ['ended', () => invite('web', '--expires', '1s'), /the join code ended at 20.*admin invite/],
    ['cut off', code => code.slice(0, -5), /the join code was cut off or mistyped.*copy all of it again/],
    ['mistyped', code => code.replace(/.$/, last => (last === 'A' ? 'B' : 'A')), /cut off or mistyped/],
    [
      'a credential',
      code => code.replace('join', ''),
      /no file of that name, nor is it a join code, which begins with orthrusjoin1_/,
    ],
    [
      'of another realm',
      code => {
        const whole = parseJoinCode(code)
        const principal = `invite-0123456789abcdef@other.example` as typeof whole.invitation.principal
        return formatJoinCode({ ...whole, invitation: { ...whole.invitation, principal } })
      },
      /is for the realm other\.example, and the KDC at ws:.* does not know it.*name a KDC of other\.example \(--kdc URL.*admin invite/,
    ],
    [
      'for a KDC that anybody may listen to',
      code => formatJoinCode({ ...parseJoinCode(code), kdc: ['ws://kdc.example:1'] }),
      /no key is fetched over ws:\/\/kdc\.example:1.*--allow-plain-websocket/,
    ],
    ['for no KDC', code => formatJoinCode({ ...parseJoinCode(code), kdc: [] }), /the join code names no KDC/],
  ])('with a code %s is told so, and what to do', async (what, made, message) => {
    const code = await made(await invite('orders'))
    if (what === 'ended') realm.clock.advance(2_000)
    const { code: exit, out, err } = await joining(code, 'k')
    expect(err).toMatch(message)
    expect([exit === 0, out]).toEqual([false, ''])
    await expect(readFile(file('k'))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('that cannot write its key has not used the code', async () => {
    const code = await invite('orders')
    await writeFile(file('k'), 'mine')
    expect((await joining(code, 'k')).err).toMatch(/exists already.*orthrus keytab show .*k; otherwise/)
    const [listed] = JSON.parse((await admin('invitations', '--json')).out).invitations
    expect(listed).toMatchObject({ used: 0, staged: 0 })
    expect(await readFile(file('k'), 'utf8')).toBe('mine')
    expect((await joining(code, 'nowhere/k')).code).toBe(1)
    expect((await joining(code, 'free')).code).toBe(0)
    expect(parseKeytab(await readFile(file('free'), 'utf8'))).toMatchObject([{ kvno: 2 }])
  })

  it('that was interrupted before its first login is told how to finish, and its key still works', async () => {
    const code = await invite('orders')
    const invited = formatKeytab([parseJoinCode(code).invitation])
    const invitation = await connect({ kdc: realm.kdc.url, keytab: { text: invited } })
    const enrolled = await enrol(await openKdcChannel(invitation), null)
    invitation.close()
    await writeFile(file('k'), formatKeytab([enrolled]), { mode: 0o600 })
    expect((await joining(code, 'k')).err).toMatch(/finished by: orthrus keytab show .*k;/)
    const shown = await runCommand(['keytab', 'show', file('k'), '--kdc', realm.kdc.url])
    expect(shown.out).toMatch(/kvno 1 +current/)
  })
})

describe('inspect', () => {
  it('says what a join code is for, and never its key', async () => {
    const code = await invite('orders', '--join-kdc', 'wss://user:pass@a.example/?secret', 'wss://b.example')
    const { invitation } = parseJoinCode(code)
    await writeFile(file('code'), `${code}\n`)
    const { code: exit, out, err } = await runCommand(['inspect', file('code')])
    expect({ exit, err }).toEqual({ exit: 0, err: '' })
    const [, state = ''] = /^state +(.*)$/m.exec(out) ?? []
    expect(out.split('\n').filter(line => !line.startsWith('state'))).toEqual([
      'kind        join code',
      'realm       demo.example',
      `invitation  ${invitation.principal}`,
      'kvno        1',
      expect.stringMatching(/^endTime {5}20.*Z$/),
      'kdc         wss://a.example',
      '            wss://b.example',
      '',
    ])
    expect(state).toMatch(/^ended .* ago, .*: ask an administrator for another one$|^ends in /)
    const told = JSON.parse((await runCommand(['inspect', code, '--json'])).out)
    expect(told).toMatchObject({ kind: 'join code', kdc: ['wss://a.example', 'wss://b.example'] })
    expect(JSON.stringify(told)).not.toMatch(/pass|secret|orthrusjoin1_/)
    expect((await runCommand(['inspect', code.slice(0, -4)])).err).toMatch(/cut off or mistyped/)
  })
})

describe('an administrator', () => {
  it('is warned of a code that another host cannot use, unless it names its KDC', async () => {
    expect((await admin('invite', 'orders')).err).toContain('--join-kdc')
    const named = await admin('invite', 'orders', '--join-kdc', 'wss://a.example', 'wss://b.example')
    expect(named.err).not.toContain('--join-kdc')
    const wrong = await admin('invite', 'orders', '--join-kdc', 'orthrusjoin1_AAAA')
    expect([wrong.code, wrong.out]).toEqual([2, ''])
    expect(wrong.err).toMatch(/not the URL of a KDC: "orthrusjoin1_\.\.\."/)
    expect(parseJoinCode(named.out.trim()).kdc).toEqual(['wss://a.example', 'wss://b.example'])
  })

  it.each([
    ['a wrong number', ['invite', 'orders/*', '--uses', '0'], 2, /number of hosts/],
    ['one principal twice', ['invite', 'orders', '--uses', '2'], 1, /one principal is one host/],
    ['everyone', ['invite', '*'], 1, /nobody can be invited/],
    ['no invitation', ['uninvite', 'orders'], 2, /invite-/],
    ['an unknown one', ['uninvite', 'invite-0123456789abcdef'], 1, /there is no invitation/],
  ] as const)('is told of %s', async (_, args, exit, message) => {
    const { code, err } = await admin(...args)
    expect(err).toMatch(message)
    expect(code).toBe(exit)
  })
})

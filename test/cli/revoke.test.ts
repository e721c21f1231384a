import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type KdcChannel, openKdcChannel } from '../../client/channel/kdc-channel.js'
import { describeFollowers } from '../../shared/administration/followers-text.js'
import type { FollowerRow } from '../../shared/administration/revocations.js'
import { parsePrincipal } from '../../shared/principal.js'
import { HOUR, MINUTE, SECOND } from '../../shared/time.js'
import { startRealm, type TestRealm } from '../../testing/realm.js'
import { runCommand } from './run-command.js'

/** `orthrus admin revoke`, and the same words after `disable` and `remove`, with real followers. */

let realm: TestRealm
let folder = ''

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthrus-revoke-'))
  realm = await startRealm({ realm: 'demo.example' })
  await realm.add('root', 'web', 'orders', 'stock')
  await realm.allow('root', 'kdc', { claims: { role: 'admin' } })
  await writeFile(join(folder, 'root'), realm.keytab('root'), { mode: 0o600 })
})

afterEach(async () => {
  await realm.close()
  await rm(folder, { recursive: true, force: true })
})

const admin = (...args: string[]) =>
  runCommand(['admin', ...args, '--keytab', join(folder, 'root')], { env: { ORTHRUS_KDC: realm.kdc.url } })

/** Follows, and says of each entry that it applied it, unless it is deaf. */
async function follow(name: string, deaf = false): Promise<KdcChannel> {
  const client = await realm.connect(name)
  const channel: KdcChannel = await openKdcChannel(client, {
    onEvent: ({ name: event, fields }) => {
      if (event === 'entry' && !deaf) void channel.call('seen', [fields[0] as number]).catch(() => {})
    },
  })
  await channel.call('follow', [null, null, null])
  return channel
}

const STARTED = '; who followed before this KDC started, 0 s ago, is not known'

describe('a command that revokes', () => {
  it.each([
    ['client', ['revoke', 'client', 'web'], 'revoke client web: refused by orders, stock'],
    ['key', ['revoke', 'key', 'web'], 'revoke key web: refused by orders, stock'],
    [
      'ticket',
      ['revoke', 'ticket', 'Ab'.repeat(16)],
      `revoke ticket ${'ab'.repeat(16)}: refused by orders, stock`,
    ],
    ['disabled', ['disable', 'web'], 'disabled web@demo.example\nrefused by orders, stock'],
    ['removed', ['remove', 'web'], 'removed web@demo.example\nrefused by orders, stock'],
  ])('names the services that refuse by now: %s', async (_, args, expected) => {
    for (const name of ['orders', 'stock']) await follow(name)
    const { code, out } = await admin(...args)
    expect({ code, out }).toEqual({ code: 0, out: `${expected}${STARTED}\n` })
  })

  it('names those that are silent, whether they are connected or not', async () => {
    await follow('orders')
    await follow('stock', true)
    await realm.add('late')
    const gone = await follow('web')
    gone.close()
    realm.clock.advance(3 * MINUTE)
    const { code, out } = await admin('revoke', 'client', 'late', '--wait', '1s')
    expect(code).toBe(0)
    expect(out).toBe(
      'revoke client late: refused by orders; stock was last heard 3 min ago; web was last heard 3 min ago' +
        '; who followed before this KDC started, 3 min ago, is not known\n',
    )
  })

  it('of its own tickets asks in another channel who refuses them', async () => {
    await follow('orders')
    expect(await admin('revoke', 'client', 'root')).toEqual({
      code: 0,
      out: `revoke client root: refused by orders${STARTED}\n`,
      err: '',
    })
  })

  it.each([
    [['revoke', 'key', 'orders'], 'revoke key orders: refused by stock'],
    [['revoke', 'client', 'orders'], 'revoke client orders: refused by stock'],
    [['disable', 'orders'], 'disabled orders@demo.example\nrefused by stock'],
    [['remove', 'orders'], 'removed orders@demo.example\nrefused by stock'],
  ])('does not call the revoked service itself silent, whose channel ended: %j', async (args, expected) => {
    for (const name of ['orders', 'stock']) await follow(name)
    const { code, out } = await admin(...args)
    const text = `${expected}; orders itself was told, as its channel ended${STARTED}\n`
    expect({ code, out }).toEqual({ code: 0, out: text })
  })

  it('says so if nobody follows but the revoked service', async () => {
    realm.clock.advance(HOUR)
    await follow('orders')
    expect(await admin('revoke', 'key', 'orders')).toMatchObject({
      out:
        'revoke key orders: no other service follows this KDC, so services accept tickets in hand until these end, ' +
        'at most 1h from now; orders itself was told, as its channel ended\n',
    })
  })

  it('tells of those that it revoked where the last could not be', async () => {
    await follow('orders')
    const { code, out, err } = await admin('disable', 'web', 'wep')
    expect({ code, out }).toEqual({
      code: 1,
      out: `disabled web@demo.example\nrefused by orders${STARTED}\n`,
    })
    expect(err).toContain('there is no principal wep@demo.example')
  })

  it('calls the revoked service silent if it left before it could be told', async () => {
    const orders = await follow('orders')
    orders.close()
    realm.clock.advance(3 * MINUTE)
    const { out } = await admin('revoke', 'key', 'orders')
    expect(out).toContain('orders was last heard 3 min ago')
    expect(out).not.toContain('was told')
  })

  it('does not call a service silent that left with its revoked key, once it gets another', async () => {
    for (const name of ['orders', 'stock']) await follow(name)
    await admin('revoke', 'key', 'orders')
    realm.clock.advance(4 * SECOND)
    const args = ['admin', 'rotate', 'orders', '--keytab', join(folder, 'orders.new')]
    const login = ['--admin-keytab', join(folder, 'root'), '--kdc', realm.kdc.url]
    const { out } = await runCommand([...args, ...login])
    expect(out).toContain(
      'refused by stock; orders itself left 4 s ago, and follows again once it has its new key',
    )
    expect(out).not.toContain('last heard')
  })

  it('of a key of the KDC says what has ended, the channel of the command too', async () => {
    await follow('orders')
    expect(await admin('revoke', 'key', 'kdc')).toMatchObject({
      code: 0,
      out: expect.stringMatching(
        /^revoke key kdc: every channel to the KDC has ended, the one of this command too/,
      ),
      err: '',
    })
    expect(await admin('revoke', 'key', 'krbtgt')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^revoke key krbtgt: the KDC refuses every TGT of before/),
      err: '',
    })
    expect(JSON.parse((await admin('revoke', 'key', 'kdc', '--json')).out)).toEqual({
      revoked: { principal: 'kdc@demo.example', kvno: 2, seq: expect.any(Number) },
    })
  })

  it('says that nobody follows', async () => {
    realm.clock.advance(HOUR)
    const told =
      'no service follows this KDC, so services accept tickets in hand until these end, at most 1h from now; ' +
      'to have one refuse within milliseconds, start it with loadService({ keytab, kdc })\n'
    const out = `revoke client web: ${told}`
    expect(await admin('revoke', 'client', 'web')).toEqual({ code: 0, out, err: '' })
    await admin('realm', '--max-service-life', '20m')
    const disabled = `disabled web@demo.example\n${told.replace('1h', '20m')}`
    expect(await admin('disable', 'web')).toEqual({ code: 0, out: disabled, err: '' })
    expect(JSON.parse((await admin('disable', 'web', '--json')).out)).toMatchObject({
      refusedBy: [],
      silent: [],
    })
  })

  it('answers in JSON', async () => {
    await follow('orders')
    await follow('stock', true)
    const told = async (...args: string[]) =>
      JSON.parse((await admin(...args, '--json', '--wait', '1s')).out) as unknown
    const silent = [expect.objectContaining({ principal: 'stock@demo.example', connected: true })]
    const refused = { refusedBy: ['orders@demo.example'], silent, knownFor: expect.any(Number) }
    expect(await told('revoke', 'client', 'web')).toEqual({
      revoked: { client: 'web@demo.example', seq: 1 },
      ...refused,
    })
    expect(await told('disable', 'web')).toEqual({ disabled: ['web@demo.example'], ...refused })
  })

  it('of a ticket ends that one alone, and says what to do if it was a TGT', async () => {
    const client = await realm.connect('web')
    await realm.allow('web', 'orders')
    const ticket = await client.getServiceTicket('orders')
    const { err, code } = await admin('revoke', 'ticket', ticket.ticketId, '--client', 'web')
    expect(code).toBe(0)
    expect(err).toContain('orthrus admin revoke client web')
    await expect(client.getServiceTicket('orders')).resolves.toBeDefined()
  })

  it('of a key says that the principal has none now', async () => {
    expect((await admin('revoke', 'key', 'web')).err).toContain('web has no key now')
    expect((await admin('list')).out).toMatch(/^web@demo.example/m)
  })

  it.each([
    [['revoke', 'ticket', 'ab'], /32 hexadecimal digits/],
    [['revoke', 'ticket', 'zz'.repeat(16)], /32 hexadecimal digits/],
    [['revoke', 'client', 'web', '--wait', '61s'], /at most 60s/],
    [['revoke', 'ticket', 'ab'.repeat(16), '--client', 'ghost'], /there is no principal ghost@demo.example/],
    [['revoke', 'client', 'ghost'], /there is no principal ghost@demo.example/],
    [['revoke', 'key', 'root'], /cannot be left without a key by itself/],
  ])('refuses %j', async (args, expected) => {
    const { code, err } = await admin(...args)
    expect(code).not.toBe(0)
    expect(err).toMatch(expected)
  })
})

describe('the line about followers', () => {
  const row = (name: string, seen: number, more: Partial<FollowerRow> = {}): FollowerRow => ({
    principal: parsePrincipal(`${name}@demo.example`),
    address: '192.0.2.1',
    seen,
    sent: seen,
    connected: true,
    silentFor: 2 * SECOND,
    ...more,
  })
  const lineOf = (rows: readonly FollowerRow[], applied: number, silent: number, keptFor = HOUR) =>
    describeFollowers({ rows, applied, silent, keptFor }, 5).text

  it('does not say of a principal that it refuses while one of its followers may not', () => {
    const rows = [row('orders', 4, { address: '192.0.2.9' }), row('billing', 5), row('orders', 5)]
    expect(lineOf(rows, 2, 1)).toBe('refused by billing; orders at 192.0.2.9 was last heard 2 s ago')
  })

  it('counts those for which there is no room', () => {
    const many = (count: number, seen: number, of: string) =>
      Array.from({ length: count }, (_, i) => row(`${of}/${i}`, seen))
    const line = lineOf([...many(25, 0, 'late'), ...many(25, 5, 'quick')], 125, 35)
    expect(line).toContain('quick/19, 105 others; late/0 was')
    expect(line).toMatch(/late\/19 was last heard 2 s ago; 15 others have not said that they refuse it$/)
  })

  it('says so if none refuses yet', () => {
    expect(lineOf([row('orders', 0)], 0, 1)).toBe(
      'no service is known to refuse it by now; orders was last heard 2 s ago',
    )
  })
})

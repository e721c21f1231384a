import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../shared/time.js'
import { createTestClock } from '../../testing/clock.js'
import { startRealm, type TestRealm } from '../../testing/realm.js'
import { runCommand } from './run-command.js'

/** `orthrus policy test`, and `orthrus admin policy export`, `diff` and `apply` against a realm in this process. */

let realm: TestRealm
let folder = ''
const HEAD = '# orthrus policy 1\nrealm demo.example\n'
const ADMINS = 'allow admin kdc --claim role=admin\nallow root kdc --claim role=admin\n'

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthrus-policy-file-'))
  realm = await startRealm({ realm: 'demo.example', clock: createTestClock(systemClock.now()) })
  await realm.add('web', 'orders', 'billing', 'root')
  await realm.allow('root', 'kdc', { claims: { role: 'admin' } })
  await writeFile(join(folder, 'root'), realm.keytab('root'), { mode: 0o600 })
})

afterAll(async () => {
  await realm.close()
  await rm(folder, { recursive: true, force: true })
})

const admin = (...args: string[]) =>
  runCommand(['admin', 'policy', ...args, '--keytab', join(folder, 'root')], {
    env: { ORTHRUS_KDC: realm.kdc.url },
  })

async function file(text: string, name = 'policy'): Promise<string> {
  await writeFile(join(folder, name), text)
  return join(folder, name)
}

describe('policy test', () => {
  const policy = `${HEAD}
group backend web orders
allow @backend billing --claim role=reader --methods GET --paths /invoices
allow web orders --claim role=writer --delegable
deny orders orders
allow ops orders --until 2027-01-31
`
  const test = async (lines: string, ...more: string[]) =>
    runCommand(['policy', 'test', await file(`${policy}${lines}\n`), '--at', '2027-01-01', ...more])

  it.each([
    'expect web can call orders',
    'expect web can call orders with role=writer delegable',
    'expect web cannot call orders with role=admin',
    'expect web can call billing with role=reader GET /invoices/7',
    'expect web cannot call billing POST /invoices/7',
    'expect web cannot call billing GET /invoicesx',
    'expect web cannot call billing delegable',
    'expect orders can call billing',
    'expect orders cannot call orders',
    'expect billing cannot call orders',
    'expect web can call kdc',
    'expect web cannot call kdc with role=admin',
    'expect web cannot call krbtgt',
    'expect ops can call orders',
    'expect ops can call orders at 2027-01-30',
    'expect ops cannot call orders at 2027-01-31',
  ])('%s', async line => {
    expect(await test(line)).toEqual({ code: 0, out: '1 of 1 expectations hold\n', err: '' })
    const opposite = line.includes('cannot')
      ? line.replace('cannot', 'can')
      : line.replace(' can ', ' cannot ')
    const { code, out } = await test(opposite)
    expect([code, out]).toEqual([1, expect.stringContaining(`:9: ${opposite}\n  but `)])
    expect(out).toContain('0 of 1 expectations hold')
  })

  it('names the line of the rule that decides against it', async () => {
    const { code, out } = await test(
      'expect orders can call orders\nexpect web can call orders\nexpect web can call billing POST /invoices',
    )
    expect(code).toBe(1)
    expect(out).toContain('orders gets no ticket for orders: a rule denies it (line 7: deny orders orders)')
    expect(out).toContain(
      'the caveat methods does not hold: POST is not among GET (line 5: allow @backend billing',
    )
    expect(out).toContain('1 of 3 expectations hold')
    const json = JSON.parse((await test('expect orders can call orders', '--json')).out)
    expect(json).toMatchObject({ expected: 1, unmet: [{ line: 9, text: 'expect orders can call orders' }] })
  })

  it('takes what is expected from other files too', async () => {
    const tests = await file(
      '# orthrus policy 1\nexpect web can call orders\nexpect web can call stock\n',
      'tests',
    )
    const { code, out } = await test('', tests)
    expect([code, out]).toEqual([1, expect.stringContaining(`${tests}:3: expect web can call stock`)])
  })

  it.each([
    ['allow web stock --clam a=b', 'line 9: unknown "--clam"; did you mean "--claim"?'],
    ['expct web can call orders', 'line 9: unknown "expct"; did you mean "expect"?'],
  ])('ends with code 2 where the file is wrong: %s', async (line, message) => {
    const { code, err } = await test(line)
    expect([code, err]).toEqual([2, expect.stringContaining(message)])
  })

  it('ends with code 2 where there is no file', async () => {
    const { code, err } = await runCommand(['policy', 'test', join(folder, 'none')])
    expect([code, err]).toEqual([2, expect.stringContaining('cannot be read: ENOENT')])
    expect((await runCommand(['policy', 'tset', 'x'])).err).toContain('did you mean: orthrus policy test?')
  })
})

describe('admin policy', () => {
  it('is exported, edited, compared and applied', async () => {
    const exported = await admin('export')
    expect(exported).toEqual({ code: 0, out: `${HEAD}\n${ADMINS}`, err: '' })
    expect(await admin('diff', await file(exported.out))).toMatchObject({ code: 0, out: 'no difference\n' })
    const wanted = await file(
      `${exported.out}group backend web orders\nallow @backend billing --rate 600/m\nexpect web can call billing\n`,
    )
    const changes = '+ group backend orders\n+ group backend web\n+ allow @backend billing --rate 600/m\n'
    expect(await admin('diff', wanted)).toEqual({ code: 3, out: changes, err: '' })
    expect((await admin('apply', wanted, '--dry-run')).out).toBe(`${changes}3 changes would be made\n`)
    expect((await admin('diff', wanted)).code).toBe(3)
    expect(await admin('apply', wanted)).toEqual({ code: 0, out: `${changes}3 changes made\n`, err: '' })
    expect((await admin('apply', wanted)).out).toBe('nothing to change\n')
    const again = await admin('export')
    expect(again.out).toContain('group backend orders web\n')
    expect(await admin('diff', await file(again.out))).toMatchObject({ code: 0 })
  })

  it('takes away what the file does not have only if it is told to, and says what stays', async () => {
    await realm.allow('web', 'orders')
    const wanted = await file(`${HEAD}${ADMINS}group backend web\n`)
    const kept = await admin('apply', wanted)
    expect(kept.out).toBe('- group backend orders\n1 change made\n')
    expect(kept.err).toContain('2 of what the file does not have stay: --prune takes them away')
    const { out, err } = await admin('apply', wanted, '--prune')
    expect([out, err]).toEqual([
      '- allow @backend billing --rate 600/m\n- allow web orders\n2 changes made\n',
      '',
    ])
  })

  it('is not applied where what stays beside it makes its tests fail', async () => {
    await realm.allow('web', 'orders')
    const wanted = await file(`${HEAD}${ADMINS}expect web cannot call orders\n`)
    for (const dry of [[], ['--dry-run']]) {
      const { code, err } = await admin('apply', wanted, ...dry)
      expect([code, err]).toEqual([
        1,
        expect.stringContaining('web gets a ticket for orders (the file does not have allow web orders)'),
      ])
    }
    expect((await admin('apply', wanted, '--prune')).code).toBe(0)
    expect((await admin('export')).out).not.toContain('allow web orders')
  })

  it('is not applied while its own tests fail, nor in another realm, nor to lock its administrator out', async () => {
    const before = (await admin('export')).out
    const failing = await admin(
      'apply',
      await file(`${HEAD}allow web orders\nexpect web cannot call orders\n`),
    )
    expect([failing.code, failing.err]).toEqual([
      1,
      expect.stringContaining('line 4: expect web cannot call orders'),
    ])
    const other = await admin(
      'apply',
      await file('# orthrus policy 1\nrealm other.example\nallow web orders\n'),
    )
    expect([other.code, other.err]).toEqual([1, expect.stringContaining('realm_mismatch')])
    const locking = await admin('apply', await file(HEAD), '--prune')
    expect([locking.code, locking.err]).toEqual([
      1,
      expect.stringContaining('would no longer be an administrator'),
    ])
    expect((await admin('export')).out).toBe(before)
  })

  it('still shows rules by a client and a service', async () => {
    await realm.allow('web', 'orders')
    expect((await admin('web', 'orders')).out).toBe('allow  web  ->  orders\n')
    expect((await admin('web', 'orders', '--json')).code).toBe(0)
    expect(await readFile(join(folder, 'policy'), 'utf8')).toContain('realm')
  })
})

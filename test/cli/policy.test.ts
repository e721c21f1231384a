import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { patternIn } from '../../shared/pattern.js'
import { systemClock } from '../../shared/time.js'
import { createTestClock } from '../../testing/clock.js'
import { startRealm, type TestRealm } from '../../testing/realm.js'
import { runCommand } from './run-command.js'

/** `orthrus admin allow`, `deny` and `policy` against a realm in this process. */

let realm: TestRealm
let folder = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthrus-policy-'))
  realm = await startRealm({ realm: 'demo.example', clock: createTestClock(systemClock.now()) })
  await realm.add('web', 'orders', 'billing', 'root', 'second')
  await realm.addPassword('ann', 'correct horse battery')
  for (const name of ['root', 'second']) {
    await realm.allow(name, 'kdc', { claims: { role: 'admin' } })
    await writeFile(join(folder, name), realm.keytab(name), { mode: 0o600 })
  }
  await writeFile(join(folder, 'web'), realm.keytab('web'), { mode: 0o600 })
})

afterAll(async () => {
  await realm.close()
  await rm(folder, { recursive: true, force: true })
})

const as = (name: string, ...args: string[]) =>
  runCommand([...args, '--keytab', join(folder, name)], { env: { ORTHRUS_KDC: realm.kdc.url } })
const admin = (...args: string[]) => as('root', 'admin', ...args)
const forget = (client: string, service: string) => admin('policy', client, service, '--forget')
const rule = async (client: string, service: string) => {
  const patterns = [client, service].map(name => patternIn(realm.kdc.realm, name))
  return realm.administration.rule(...(patterns as [never, never]))
}

describe('allow of a pair that has a rule', () => {
  const whole = [
    ...['--claim', 'role=reader', '--claim', 'tier:=3', '--claim', 'scope=a', '--claim', 'scope=b'],
    ...['--max-life', '90m', '--methods', 'GET,HEAD', '--paths', '/a,/b', '--delegable'],
  ]
  const all = {
    effect: 'allow',
    claims: [
      ['role', 'reader'],
      ['scope', ['a', 'b']],
      ['tier', 3],
    ],
    maxLife: 5_400_000,
    methods: ['GET', 'HEAD'],
    paths: ['/a', '/b'],
    delegable: true,
  }
  const words = 'role=reader, scope=a,b, tier:=3, at most 90m, methods GET,HEAD, paths /a,/b, delegable'

  it.each([
    ['a line', 'x\nallow  billing  ->  orders', 'x\\nallow  billing  ->  orders'],
    ['other terms', 'reader, at most 1m, paths /public', 'reader, at most 1m, paths /public'],
    ['colours', '\u001b[8mhidden\u009b0m', '\\u001b[8mhidden\\u009b0m'],
  ])('prints a claim that is to look like %s as the text that it is', async (what, value, shown) => {
    await admin('allow', 'web', 'orders', '--replace', '--claim', `a=${value}`)
    const [before, after] = what === 'colours' ? ['', ''] : ['"', '"']
    const { out } = await admin('policy', 'web', 'orders')
    expect(out).toBe(`allow  web  ->  orders  a=${before}${shown}${after}\n`)
    const json = (await admin('policy', 'web', 'orders', '--json')).out
    expect(JSON.parse(json).rules[0].claims).toEqual({ a: value })
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
    expect(json).toMatch(/^[^\u0000-\u001f\u007f-\u009f]*\n$/)
    const ticket = await as('web', 'get', 'orders')
    expect(ticket.out).toContain(`a=${before}${shown}${after}\n`)
  })

  it('tells two tickets in JSON whatever is in a claim', async () => {
    await admin('allow', 'web', 'orders', '--replace', '--claim', 'home=https://user:word')
    await admin('allow', 'web', 'billing', '--replace', '--claim', 'home=ssh://git@host')
    const { out } = await as('web', 'get', 'orders', 'billing', '--json')
    expect(JSON.parse(out).tickets.map(({ claims }: { claims: object }) => claims)).toEqual([
      { home: 'https://user:word' },
      { home: 'ssh://git@host' },
    ])
  })

  it('prints the whole rule, and that it is new', async () => {
    await forget('web', 'orders')
    expect(await admin('allow', 'web', 'orders', ...whole)).toEqual({
      code: 0,
      out: `allow web -> orders ${words}\n  a new rule\n`,
      err: '',
    })
    expect(await rule('web', 'orders')).toMatchObject(all)
  })

  it.each<[string[], object, string]>([
    [[], {}, 'nothing changed'],
    [['--delegable'], {}, 'nothing changed'],
    [['--no-delegable'], { delegable: false }, 'changed: delegable taken away'],
    [
      ['--claim', 'role=writer'],
      { claims: [['role', 'writer'], ...all.claims.slice(1)] },
      'changed: role=writer in place of role=reader',
    ],
    [['--claim', 'zone=x'], { claims: [...all.claims, ['zone', 'x']] }, 'changed: zone=x added'],
    [
      ['--claim', 'tier=3'],
      { claims: [...all.claims.slice(0, 2), ['tier', '3']] },
      'changed: tier=3 in place of tier:=3',
    ],
    [
      ['--no-claim', 'role', '--no-claim', 'tier'],
      { claims: [['scope', ['a', 'b']]] },
      'changed: role=reader taken away; tier:=3 taken away',
    ],
    [['--max-life', '2h'], { maxLife: 7_200_000 }, 'changed: at most 2h in place of at most 90m'],
    [['--no-max-life'], { maxLife: null }, 'changed: at most 90m taken away'],
    [['--methods', 'POST'], { methods: ['POST'] }, 'changed: methods POST in place of methods GET,HEAD'],
    [['--no-methods'], { methods: null }, 'changed: methods GET,HEAD taken away'],
    [['--paths', '/c'], { paths: ['/c'] }, 'changed: paths /c in place of paths /a,/b'],
    [['--no-paths'], { paths: null }, 'changed: paths /a,/b taken away'],
    [
      ['--replace', '--methods', 'GET,HEAD'],
      { claims: [], maxLife: null, paths: null, delegable: false },
      'changed: role=reader taken away; scope=a,b taken away; tier:=3 taken away; at most 90m taken away; paths /a,/b taken away; delegable taken away',
    ],
  ])('%j changes what it names and keeps the rest', async (options, changed, told) => {
    await admin('allow', 'web', 'orders', '--replace', ...whole)
    const { code, out, err } = await admin('allow', 'web', 'orders', ...options)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/^allow web -> orders .+\n {2}.+\n$/)
    expect(out.split('\n')[1]).toBe(`  ${told}`)
    expect(await rule('web', 'orders')).toMatchObject({ ...all, ...changed })
  })

  it('prints the new and the old rule in JSON', async () => {
    await admin('allow', 'web', 'orders', '--replace', '--claim', 'role=reader')
    const { out } = await admin('allow', 'web', 'orders', '--delegable', '--json')
    expect(JSON.parse(out)).toMatchObject({
      effect: 'allow',
      claims: { role: 'reader' },
      delegable: true,
      before: { effect: 'allow', claims: { role: 'reader' }, delegable: false },
    })
    await forget('web', 'orders')
    expect(JSON.parse((await admin('allow', 'web', 'orders', '--json')).out).before).toBeNull()
  })

  it('keeps what several administrators change at the same time', async () => {
    await forget('web', 'orders')
    const names = Array.from({ length: 6 }, (_, i) => `c${i}`)
    const outcomes = await Promise.all(
      names.map((name, i) =>
        as(i % 2 === 0 ? 'root' : 'second', 'admin', 'allow', 'web', 'orders', '--claim', `${name}=x`),
      ),
    )
    expect(outcomes.map(({ code }) => code)).toEqual(names.map(() => 0))
    expect((await rule('web', 'orders'))?.claims).toEqual(names.map(name => [name, 'x']))
  })

  it('replaces a deny and says so, and the other way round', async () => {
    await admin('allow', 'web', 'orders', '--replace', '--claim', 'role=reader')
    expect((await admin('deny', 'web', 'orders')).out).toBe(
      'deny web -> orders\n  changed: deny in place of allow; role=reader taken away\n',
    )
    expect((await admin('allow', 'web', 'orders', '--delegable')).out).toBe(
      'allow web -> orders delegable\n  changed: allow in place of deny; delegable added\n',
    )
  })

  it.each([
    [['--claim', 'role=x', '--no-claim', 'role'], /--claim role=\.\.\. and --no-claim role contradict/],
    [['--no-claim', 'role=x'], /Write the name of a claim alone/],
    [['--no-claim', ''], /Write the name of a claim alone/],
    [['--methods', ''], /without empty items/],
  ])('%j is wrong usage, and changes nothing', async (options, message) => {
    const before = await rule('web', 'orders')
    expect(await admin('allow', 'web', 'orders', ...options)).toEqual({
      code: 2,
      out: '',
      err: expect.stringMatching(message),
    })
    expect(await rule('web', 'orders')).toEqual(before)
  })
})

describe('a name that does not exist', () => {
  it.each([
    ['allow', ['wbe', 'orders'], ['wbe']],
    ['allow', ['web', 'oders'], ['oders']],
    ['allow', ['wbe', 'oders'], ['wbe', 'oders']],
    ['deny', ['wbe', 'wbe'], ['wbe']],
    ['allow', ['*', '*'], []],
    ['allow', ['ann', 'orders'], []],
    ['deny', ['second', 'kdc'], []],
  ])('%s %j causes a warning, and the command does what it was asked', async (command, pair, unknown) => {
    const { code, out, err } = await admin(command, ...pair)
    expect({ code, out }).toEqual({ code: 0, out: expect.stringContaining(`${command} ${pair[0]}`) })
    const warnings = unknown.map(
      name =>
        `orthrus: warning: there is no principal ${name}@demo.example yet; the rule counts once there is: orthrus admin add ${name}\n`,
    )
    expect(err).toBe(warnings.join(''))
    await forget(pair[0] as string, pair[1] as string)
    await realm.allow('second', 'kdc', { claims: { role: 'admin' } })
  })

  it('that no principal matches causes a warning too', async () => {
    const warned = (name: string) =>
      `orthrus: warning: no principal matches ${name}/*@demo.example yet; the rule counts once one does: orthrus admin add ${name}/1\n`
    expect((await admin('allow', 'wbe/*', 'oders/*')).err).toBe(warned('wbe') + warned('oders'))
    await realm.add('wbe/2')
    expect((await admin('allow', 'wbe/*', 'orders')).err).toBe('')
    await forget('wbe/*', 'oders/*')
    await forget('wbe/*', 'orders')
  })

  it('is reported in JSON', async () => {
    const { out, err } = await admin('allow', 'wbe', 'orders', '--json')
    expect(JSON.parse(out)).toMatchObject({ client: 'wbe@demo.example' })
    expect(JSON.parse(err)).toEqual({ warning: expect.stringContaining('no principal wbe@demo.example') })
    await forget('wbe', 'orders')
  })
})

describe('a deny for another pair', () => {
  it('is named by an allow that it wins over, by policy, and after a refusal', async () => {
    await forget('web', 'orders')
    await admin('deny', '*', 'orders')
    expect((await admin('allow', 'web', 'orders')).err).toBe(
      "orthrus: warning: deny * -> orders still wins over this rule; to take it away: orthrus admin policy '*' orders --forget\n",
    )
    expect((await admin('policy', 'web', 'orders')).out).toBe(
      [
        'allow  web  ->  orders',
        'deny   *    ->  orders',
        'web gets no ticket for orders: a deny wins over whatever allows\n',
      ].join('\n'),
    )
    const refused = await as('web', 'get', 'orders')
    expect(refused.err).toContain('orthrus admin policy web orders')
    // What the warning says is what helps.
    await forget('*', 'orders')
    expect(await as('web', 'get', 'orders')).toMatchObject({ code: 0 })
  })
})

describe('policy', () => {
  it('shows the rules that decide, the most specific first', async () => {
    await admin('allow', 'billing', '*', '--delegable')
    await admin('allow', 'billing', 'orders', '--claim', 'role=reader')
    await admin('allow', '*', 'orders')
    const clients = async (...args: string[]) => {
      const { rules } = JSON.parse((await admin('policy', ...args, '--json')).out)
      return (rules as { client: string; service: string }[]).map(({ client, service }) => [
        client.split('@')[0],
        service.split('@')[0],
      ])
    }
    const deciding = [
      ['billing', 'orders'],
      ['billing', '*'],
      ['*', 'orders'],
    ]
    expect(await clients('billing', 'orders')).toEqual(deciding)
    expect((await clients('billing')).sort()).toEqual([...deciding].sort())
    expect(await clients('*', 'orders')).toEqual([['*', 'orders']])
    expect(await clients('billing', 'web')).toEqual([['billing', '*']])
    expect((await admin('policy', 'billing', 'orders')).out).toMatch(
      /of these the first decides about billing and orders\n$/,
    )
    await forget('billing', '*')
    await forget('billing', 'orders')
    await forget('*', 'orders')
  })

  it.each([
    [['billing', 'web'], /^no rule: billing gets no ticket for web; .*orthrus admin allow billing web\n$/],
    [['billing', 'kdc'], /^no rule: billing gets a ticket for kdc, with which it can administer nothing\n$/],
    [['exprt'], /\nexprt was taken for a client; did you mean: orthrus admin policy export\?\n$/],
    [['billing/*', 'web'], /^no rule for exactly this; others, with \* or NAME\/\*, may match it/],
  ])('says what follows if there is no rule: %j', async (pair, message) => {
    expect(await admin('policy', ...pair)).toEqual({
      code: 0,
      out: expect.stringMatching(message),
      err: '',
    })
  })
})

describe('a hint that is printed', () => {
  it('removes nothing if it is followed', async () => {
    await realm.allow('web', 'billing', { claims: { role: 'reader' }, maxLife: 1_800_000 })
    const refused = await as('web', 'delegate', 'billing', '--to', 'orders')
    const hint = /orthrus admin allow web billing --delegable/.exec(refused.err)?.[0]
    expect(hint).toBeDefined()
    await as('root', ...(hint as string).split(' ').slice(1))
    expect(await rule('web', 'billing')).toMatchObject({
      claims: [['role', 'reader']],
      maxLife: 1_800_000,
      delegable: true,
    })
  })
})

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { requireTicket } from '../../service/require-ticket.js'
import { toBase64url, toHex } from '../../shared/bytes.js'
import { revealKey } from '../../shared/crypto/keys.js'
import { encode } from '../../shared/encoding/encoding.js'
import { principalIn } from '../../shared/principal.js'
import { encodeCaveat } from '../../shared/ticket/caveats.js'
import { formatCredential, parseCredential } from '../../shared/ticket/credential.js'
import { MINUTE, systemClock } from '../../shared/time.js'
import { createTestClock } from '../../testing/clock.js'
import { startRealm, type TestRealm } from '../../testing/realm.js'
import { runCommand } from './run-command.js'

/** Delegation on the command line, in this process, against a realm in this process. */

let realm: TestRealm
let server: Server
let folder = ''
let url = ''
/** The requests that reached the handler of orders in the running test. */
let handled: string[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthrus-delegate-'))
  // Commands read the platform's clock, so the realm starts with it.
  realm = await startRealm({ realm: 'demo.example', clock: createTestClock(systemClock.now()) })
  await realm.add('web', 'billing', 'gate', 'orders', 'ledger')
  await realm.allow('web', 'orders', { claims: { role: 'reader', tier: 3 }, delegable: true })
  await realm.allow('web', 'ledger')
  // So the KDC tells web that there is such a delegate, and that there is no ghost.
  await realm.allow('web', 'billing')
  await realm.allow('web', 'ghost')
  await realm.allow('billing', 'orders')
  await realm.allow('gate', 'orders')
  for (const name of ['web', 'billing', 'gate', 'orders']) {
    await writeFile(join(folder, `${name}.keytab`), realm.keytab(name), { mode: 0o600 })
  }
  const service = await realm.loadService('orders')
  server = createServer(
    requireTicket({ service }, (req, res, { client, via, claims }) => {
      handled.push(`${req.method} ${req.url}`)
      res.end(`${req.method} ${req.url} by ${client} via ${via ?? 'itself'} ${JSON.stringify(claims)}`)
    }),
  )
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

beforeEach(() => {
  handled = []
})

afterAll(async () => {
  server.close()
  await realm.close()
  await rm(folder, { recursive: true, force: true })
})

const orthrus = (args: readonly string[], env: Record<string, string> = {}) =>
  runCommand(args, { env: { ORTHRUS_KDC: realm.kdc.url, ...env } })

const as = (name: string) => ['--keytab', join(folder, `${name}.keytab`)]
const delegate = (...args: string[]) => orthrus(['delegate', ...args, ...as('web')])
async function call(credential: string, ...args: string[]) {
  return callUnnamed(credential, '--service', 'orders', ...args)
}
/** The same where nobody says which service must answer. */
async function callUnnamed(credential: string, ...args: string[]) {
  const file = join(folder, 'handed-on')
  await writeFile(file, credential, { mode: 0o600 })
  return orthrus(['call', ...args, '--credential', file])
}
/** The same with a credential that names no holder. */
const callAsBearer = (credential: string, ...args: string[]) => call(credential, ...args, BEARER)
const BEARER = '--allow-bearer-credential'

/** The credential that the command printed, and nothing else. */
async function credentialBy(...args: string[]): Promise<string> {
  const { code, out, err } = await delegate(...args)
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(out).toMatch(/^orthrus1_[A-Za-z0-9_-]+\n$/)
  return out.trim()
}

/** The same in JSON. */
async function toldBy(
  ...args: string[]
): Promise<{ credential: string; endTime: number; caveats: string[] }> {
  const { code, out, err } = await delegate(...args, '--json')
  expect({ code, err }).toEqual({ code: 0, err: '' })
  return JSON.parse(out)
}

describe('orthrus delegate', () => {
  it('prints a credential that a delegate uses with its own keytab', async () => {
    const credential = await credentialBy(
      'orders',
      '--to',
      'billing',
      '--methods',
      'GET',
      '--paths',
      '/orders',
      '--claims',
      'role',
    )
    expect(await call(credential, `${url}/orders/7`, ...as('billing'))).toEqual({
      code: 0,
      out: 'GET /orders/7 by web@demo.example via billing@demo.example {"role":"reader"}',
      err: '',
    })
    for (const request of [['POST', `${url}/orders/7`], [`${url}/admin`]]) {
      expect(await call(credential, ...request, ...as('billing'))).toMatchObject({
        code: 1,
        out: '',
        err: expect.stringMatching(/caveat_failed.*the caveat (methods|paths) does not hold/),
      })
    }
  })

  it('takes the keytab from the environment', async () => {
    const { out } = await orthrus(['delegate', 'orders', '--to', 'billing'], {
      ORTHRUS_KEYTAB: join(folder, 'web.keytab'),
    })
    const used = await orthrus(['call', `${url}/7`, '-s', 'orders', '--credential', out.trim()], {
      ORTHRUS_KEYTAB: join(folder, 'billing.keytab'),
    })
    expect(used).toMatchObject({ code: 0, out: expect.stringContaining('via billing@demo.example') })
  })

  it('describes it in JSON', async () => {
    const { clock } = realm
    const told = await toldBy('orders', '--to', 'billing', '--expires', '90s', '--methods', 'GET,HEAD')
    expect(told).toEqual({
      credential: expect.stringMatching(/^orthrus1_/),
      client: 'web@demo.example',
      service: 'orders@demo.example',
      endTime: expect.any(Number),
      caveats: ['expires', 'methods', 'holder'],
    })
    expect(Math.abs(told.endTime - clock.now() - 90_000)).toBeLessThan(5_000)
  })

  it('for anyone makes a credential that ends in five minutes by default', async () => {
    const { clock } = realm
    const brief = await toldBy('orders', '--anyone')
    const longer = await toldBy('orders', '--anyone', '--expires', '10m')
    expect([brief.caveats, longer.caveats]).toEqual([['expires'], ['expires']])
    expect(Math.abs(brief.endTime - clock.now() - 5 * MINUTE)).toBeLessThan(5_000)
    expect(Math.abs(longer.endTime - clock.now() - 10 * MINUTE)).toBeLessThan(5_000)
  })

  it('for anyone makes a credential that works without a keytab and without a KDC', async () => {
    const credential = await credentialBy('orders', '--anyone', '--methods', 'POST')
    const file = join(folder, 'credential')
    await writeFile(file, `${credential}\n`, { mode: 0o600 })
    const answered = 'POST /orders by web@demo.example via itself {"role":"reader","tier":3}'
    expect(await orthrus(['call', url, '--credential', credential])).toMatchObject({
      code: 2,
      err: expect.stringContaining('pass it in a file'),
    })
    for (const what of [file]) {
      const away = { ORTHRUS_KDC: 'ws://127.0.0.1:1' }
      const args = ['call', `${url}/orders`, '-s', 'orders', '-d', 'x', '--credential', what, BEARER]
      const used = await orthrus(args, away)
      expect(used).toEqual({
        code: 0,
        out: answered,
        err: expect.stringMatching(/warning: this does not prove that orders@demo\.example answered/),
      })
      const told = await orthrus([...args, '--json'], away)
      expect(told.err).toBe('')
      expect(JSON.parse(told.out)).toMatchObject({ serviceProved: false, body: answered })
    }
    for (const login of [as('gate'), []]) {
      expect(await call(credential, `${url}/orders`, ...login, '-d', 'x')).toEqual({
        code: 1,
        out: '',
        err: expect.stringMatching(
          /credential_invalid: the credential names no delegate.*--allow-bearer-cred/,
        ),
      })
    }
    expect(await callAsBearer(credential, `${url}/orders`, ...as('gate'), '-d', 'x')).toMatchObject({
      code: 0,
      out: answered,
    })
    expect(await callAsBearer(credential, `${url}/orders`, '--service', 'ledger')).toMatchObject({
      code: 1,
      err: expect.stringContaining('credential_invalid'),
    })
  })

  it.each([
    ['ghost', 'warning', /^there is no principal ghost@demo\.example.*orthrus admin add ghost$/],
    ['biling', 'note', /^not checked whether there is a principal biling@demo\.example: the KDC tells web@/],
    // A right name, but web may have no ticket for it: that is told, and no warning of a mistake.
    ['gate', 'note', /^not checked whether there is a principal gate@demo\.example: the KDC tells web@/],
  ])(
    'prints the credential for %s, and tells by a %s what is known of the name',
    async (name, kind, message) => {
      const { code, out, err } = await delegate('orders', '--to', name)
      expect({ code, out }).toEqual({ code: 0, out: expect.stringMatching(/^orthrus1_[\w-]+\n$/) })
      const [line = '', rest] = err.split('\n')
      expect([line.startsWith(`orthrus: ${kind}: `), rest]).toEqual([true, ''])
      expect(line.slice(`orthrus: ${kind}: `.length)).toMatch(message)
      const json = await delegate('orders', '--to', name, '--json')
      expect(JSON.parse(json.err)).toEqual({ [kind]: expect.stringMatching(message) })
    },
  )

  it('warns if the ticket ends before the credential would', async () => {
    const { code, err } = await delegate('orders', '--to', 'billing', '--expires', '7d')
    expect({ code, err }).toEqual({
      code: 0,
      err: expect.stringMatching(/^orthrus: warning: it ends with its ticket, in 5\d min\n$/),
    })
  })

  it('refuses an end that has passed, and says what helps', async () => {
    const credential = await credentialBy('orders', '--to', 'billing', '--expires', '1s')
    const anyone = await credentialBy('orders', '--anyone', '--expires', '1s')
    const { endTime } = parseCredential(credential)
    realm.clock.advance(2_000)
    const now = vi.spyOn(Date, 'now').mockImplementation(() => endTime + 3_000)
    try {
      for (const used of [
        await call(credential, `${url}/orders`, ...as('billing')),
        await call(anyone, `${url}/orders`, '--allow-bearer-credential'),
      ]) {
        expect(used).toEqual({
          code: 1,
          out: '',
          err: expect.stringMatching(
            /credential_invalid.*ended [2-5] s ago.*ask web@demo\.example for another/,
          ),
        })
      }
      expect((await orthrus(['inspect', credential])).out).toMatch(/^state +ended 3 s ago, .*ask its client/m)
    } finally {
      now.mockRestore()
    }
  })

  it('makes one that cannot be cut down further with --closed', async () => {
    const [open, closed] = [
      await credentialBy('orders', '--anyone'),
      await credentialBy('orders', '--anyone', '--closed'),
    ]
    expect((await callAsBearer(closed, `${url}/orders`)).code).toBe(0)
    expect((await orthrus(['inspect', closed])).out).toMatch(/^closed +true$/m)
    expect((await orthrus(['inspect', open])).out).toMatch(/^closed +false$/m)
  })

  it('makes one that gets tickets for the named services with --tgt', async () => {
    const credential = await credentialBy('orders', '--tgt', '--anyone', '--methods', 'GET')
    expect(await callAsBearer(credential, `${url}/orders`, '--service', 'orders')).toMatchObject({
      code: 0,
      out: expect.stringContaining('GET /orders by web@demo.example via itself'),
    })
    expect(await callAsBearer(credential, `${url}/orders`, '--service', 'orders', '-d', 'x')).toMatchObject({
      code: 1,
      err: expect.stringContaining('caveat_failed'),
    })
    expect(await callAsBearer(credential, `${url}/orders`, '--service', 'ledger')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/caveat_failed.*no ticket for ledger@demo\.example/),
    })
    const both = await toldBy('orders', 'ledger', '--tgt', '--anyone')
    expect(both).toMatchObject({ service: 'krbtgt@demo.example', caveats: ['expires', 'services'] })
    expect(await callUnnamed(both.credential, `${url}/orders`, BEARER)).toMatchObject({
      code: 2,
      err: expect.stringMatching(/say which service must answer: --service NAME; .* tickets for several/),
    })
    expect(
      await callAsBearer(credential, `${url}/orders`, '--service', 'orders', ...as('gate')),
    ).toMatchObject({
      code: 1,
      err: expect.stringMatching(/credential_invalid.*TGT/),
    })
  })

  it.each([
    [['orders'], /--to NAME, or --anyone/],
    [['orders', '--to', 'billing', '--anyone'], /--to NAME, or --anyone .*, not both/],
    [['orders', '--to', 'billing', '--tgt'], /--tgt goes with --anyone/],
    [['orders', '--tgt'], /--to NAME, or --anyone/],
    [['orders', 'ledger', '--anyone'], /one service, or several with --tgt/],
    [['orders', '--tgt', '--anyone', '--closed'], /TGT cannot be closed/],
    [['--anyone'], /missing required argument/],
    [['orders', 'ledger', '--to', 'billing'], /one service, or several with --tgt/],
    [['orders', '--to', 'Billing'], /not a principal/],
    [['Orders', '--anyone'], /not a principal/],
    [['orders', '--anyone', '--expires', '5'], /90s, 15m, 1h or 7d/],
    [['orders', '--anyone', '--expires', '0m'], /90s, 15m, 1h or 7d/],
    [['orders', '--anyone', '--methods', 'get'], /upper case/],
    [['orders', '--anyone', '--paths', 'orders'], /begin with \//],
    [['orders', '--anyone', '--paths', '/a,,/b'], /without empty items/],
    [['orders', '--anyone', '--claims', ''], /without empty items/],
    [['orders', '--anyone', '--until', '5m'], /unknown option/],
  ])('%j is wrong usage', async (args, message) => {
    const { code, out, err } = await delegate(...args)
    expect({ code, out, err }).toEqual({ code: 2, out: '', err: expect.stringMatching(message) })
  })

  it('needs a key', async () => {
    expect(await orthrus(['delegate', 'orders', '--anyone'])).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringContaining('--keytab FILE'),
    })
  })

  it.each([
    [['gate', '--anyone'], /policy_denied.*orthrus admin allow web gate/],
    [['ledger', '--to', 'billing'], /delegation_invalid.*orthrus admin allow web ledger --delegable/],
  ])('%j is refused with what would help', async (args, message) => {
    const { code, out, err } = await delegate(...args)
    expect({ code, out, err }).toEqual({ code: 1, out: '', err: expect.stringMatching(message) })
  })
})

describe('the service in a credential, which its maker chose', () => {
  const unnamed =
    /^orthrus: say which service must answer: --service NAME; whoever made the credential chose the service in it/

  it('is not called where nobody names it, for a delegate and for a bearer', async () => {
    const named = await credentialBy('orders', '--to', 'billing')
    const loose = await credentialBy('orders', '--anyone')
    for (const used of [
      await callUnnamed(named, `${url}/orders`, ...as('billing')),
      await callUnnamed(loose, `${url}/orders`, BEARER),
      await callUnnamed(loose, `${url}/orders`, BEARER, ...as('gate')),
    ])
      expect(used).toEqual({ code: 2, out: '', err: expect.stringMatching(unnamed) })
    expect(handled).toEqual([])
  })

  it('is not called where another one is named', async () => {
    const named = await credentialBy('orders', '--to', 'billing')
    const loose = await credentialBy('orders', '--anyone')
    for (const used of [
      await callUnnamed(named, `${url}/orders`, '-s', 'ledger', ...as('billing')),
      await callUnnamed(loose, `${url}/orders`, '-s', 'ledger', BEARER),
      await callUnnamed(loose, `${url}/orders`, '-s', 'ledger', BEARER, ...as('gate')),
    ]) {
      expect(used).toEqual({
        code: 1,
        out: '',
        err: expect.stringMatching(
          /credential_invalid: the credential is for orders@demo\.example, not for ledger@demo\.example.*nothing was sent; ask web@demo\.example for one for ledger/,
        ),
      })
    }
    expect(handled).toEqual([])
  })
})

describe('a useless credential', () => {
  it('is refused for a principal that it was not made for', async () => {
    const credential = await credentialBy('orders', '--to', 'billing')
    expect(await call(credential, `${url}/orders`, ...as('gate'))).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringMatching(
        /credential_invalid.*made for billing@demo\.example; this is gate@demo\.example/,
      ),
    })
    expect(await call(credential, `${url}/orders`)).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringMatching(/credential_invalid.*made for billing@demo\.example/),
    })
  })

  it('is refused wherever it is used if it was cut off or altered', async () => {
    const credential = await credentialBy('orders', '--anyone')
    const altered = `${credential.slice(0, 60)}${credential[60] === 'A' ? 'B' : 'A'}${credential.slice(61)}`
    for (const wrong of [credential.slice(0, -1), credential.slice(0, 50), 'orthrus1_', altered]) {
      for (const use of [call(wrong, url), call(wrong, url, ...as('gate')), orthrus(['inspect', wrong])]) {
        const { code, out, err } = await use
        expect({ code, out, err }).toEqual({
          code: 1,
          out: '',
          err: expect.stringMatching(/credential_invalid.*copy all of it again/),
        })
        expect(err).not.toContain(wrong.slice(9, 40) || 'never')
      }
    }
    const json = await orthrus(['call', url, '--credential', credential.slice(0, -1), '--json'])
    expect(JSON.parse(json.err)).toMatchObject({ error: { code: 'credential_invalid', final: true } })
  })

  it.each(['no-such-file', '', '/'])('named %j, which is neither a file nor one', async what => {
    const { code, out, err } = await call(what, url)
    expect([code === 0, out, err]).toEqual([false, '', expect.stringMatching(/^orthrus: /)])
  })
})

describe('a credential of another realm, whose service has the same name', () => {
  it('is not used with a keytab of this one', async () => {
    const elsewhere = await startRealm({ realm: 'elsewhere.example' })
    try {
      await elsewhere.add('eve', 'orders')
      await elsewhere.allow('eve', 'orders', { delegable: true })
      const whole = await (await elsewhere.connect('eve')).getServiceTicket('orders')
      const loose = whole.attenuate({ expires: '5m' }).credential()
      expect(await call(loose, `${url}/orders`, BEARER, ...as('gate'))).toMatchObject({
        code: 1,
        out: '',
        err: expect.stringContaining('realm_mismatch'),
      })
      const named = await callUnnamed(loose, `${url}/orders`, BEARER, '-s', 'orders@demo.example')
      expect(named).toMatchObject({
        code: 1,
        out: '',
        err: expect.stringContaining('not for orders@demo.example'),
      })
      expect(handled).toEqual([])
    } finally {
      await elsewhere.close()
    }
  })
})

describe('orthrus inspect', () => {
  const args = ['orders', '--to', 'billing', '--expires', '5m', '--methods', 'GET'] as const

  it('says what a credential is, and shows no key', async () => {
    const credential = await credentialBy(...args)
    const { code, out, err } = await orthrus(['inspect', credential])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/^kind +credential$/m)
    expect(out).toMatch(/^delegate +billing@demo\.example, which presents it beside a ticket of its own$/m)
    expect(out).toMatch(/^client +web@demo\.example$/m)
    expect(out).toMatch(/^service +orders@demo\.example$/m)
    expect(out).toMatch(/^endTime +20\d\d-.*Z$/m)
    expect(out).toMatch(
      /^caveats +expires 20\d\d-[\dT:.-]+Z\n +methods GET\n +delegate billing@demo\.example$/m,
    )
    expect(out).not.toMatch(/holder|[[{"]/)
    expect(out).not.toMatch(/^ticket /m)
    const key = revealKey(parseCredential(credential).key)
    for (const secret of [toHex(key), toBase64url(key), credential.slice(9, 40)])
      expect(out).not.toContain(secret)
  })

  it('says what is in its ticket as well, with the key of the service', async () => {
    const credential = await credentialBy(...args)
    const { code, out } = await orthrus(['inspect', credential, '--json', ...as('orders')])
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({
      client: 'web@demo.example',
      closed: false,
      ticket: {
        kind: 'ticket',
        service: 'orders@demo.example',
        client: 'web@demo.example',
        delegable: true,
        claims: { role: 'reader', tier: 3 },
        caveats: [],
      },
    })
  })

  it('says what is in it in lines that a person reads, and in values that a program reads', async () => {
    const credential = await credentialBy(...args, '--paths', '/orders,/a', '--claims', 'role')
    const { out } = await orthrus(['inspect', credential, ...as('orders')])
    expect(out).toMatch(
      /^caveats.*\n +methods GET\n +paths \/orders, \/a\n +claims role\n +delegate billing@/m,
    )
    expect(out).toMatch(/^ticket\n {2}kind +ticket\n/m)
    expect(out).toMatch(/^ {2}claims +role = reader\n +tier = 3$/m)
    expect(out).toMatch(/^ {2}caveats +none$/m)
    expect(out).not.toMatch(/[[{"]/)
    const json = JSON.parse((await orthrus(['inspect', credential, '--json'])).out)
    expect(json).toMatchObject({ kind: 'credential', delegate: 'billing@demo.example' })
    expect(json.caveats).toEqual([
      { name: 'expires', time: json.endTime },
      { name: 'methods', methods: ['GET'] },
      { name: 'paths', prefixes: ['/orders', '/a'] },
      { name: 'claims', claims: ['role'] },
      { name: 'holder', holder: 'billing@demo.example' },
    ])
  })

  it('says of one that names no delegate that it is a secret, and of one that names two that it is of no use', async () => {
    const loose = parseCredential(await credentialBy('orders', '--anyone'))
    const told = async (...caveats: Uint8Array[]) => {
      const text = formatCredential({ ...loose, caveats })
      return [await orthrus(['inspect', text]), await orthrus(['inspect', text, '--json'])].map(
        ({ out }) => out,
      )
    }
    const named = (name: string) =>
      encodeCaveat({ name: 'holder', holder: principalIn(realm.kdc.realm, name) })
    const [none = '', json = ''] = await told(...loose.caveats)
    expect(none).toMatch(/^delegate +none: it is a secret, and anyone who has it can use it$/m)
    expect(JSON.parse(json)).toMatchObject({ delegate: null })
    const [both] = await told(named('billing'), named('gate'))
    expect(both).toMatch(/^delegate +billing@.* and gate@.*: nobody can use it, because nobody is both$/m)
    const [unknown = '', unknownJson = ''] = await told(new Uint8Array([0x91, 0xa1, 0x78]))
    expect(unknown).toMatch(/^caveats +of unknown form: it never holds$/m)
    expect(JSON.parse(unknownJson)).toMatchObject({ caveats: [{ name: 'unknown' }] })
  })

  it('prints nothing of what the maker of a credential chose that a terminal would act on', async () => {
    const loose = parseCredential(await credentialBy('orders', '--anyone'))
    const bad = '\u001b[2J\u009b1m\u202egpj\u200b\r\nkind  keytab'
    const caveats = [
      encodeCaveat({ name: 'methods', methods: [bad, 'GET, POST'] }),
      encodeCaveat({ name: 'claims', claims: [bad] }),
      encodeCaveat({ name: 'app', app: bad, value: [bad, new Uint8Array([1, 255]), null, 7] }),
    ]
    const { code, out } = await orthrus(['inspect', formatCredential({ ...loose, caveats })])
    expect(code).toBe(0)
    expect(out).toMatch(/^[\x20-\x7e\n]+$/)
    expect(out.match(/^kind/gm)).toHaveLength(1)
    expect(out).toContain('"GET, POST"')
    expect(out).toMatch(/, bytes 01ff, null, 7\]$/m)
  })

  it('reports an unknown caveat without what a terminal would act on, wherever the credential is used', async () => {
    const loose = parseCredential(await credentialBy('orders', '--anyone'))
    const caveats = [encode(['\u009b2J\u202egpj\u2028', 1])]
    const text = formatCredential({ ...loose, caveats })
    for (const used of [await call(text, url, BEARER), await call(text, url, BEARER, ...as('gate'))]) {
      expect(used).toMatchObject({ code: 1, out: '' })
      expect(used.err).toMatch(/^orthrus: credential_invalid: .*unknown caveat "\\u009b2J[\x20-\x7e]*\n$/)
    }
  })

  it('says that the key of another principal does not open it', async () => {
    const { code, out } = await orthrus(['inspect', await credentialBy(...args), '--json', ...as('billing')])
    expect(code).toBe(0)
    expect(JSON.parse(out).ticket).toEqual({
      kind: 'ticket',
      service: 'orders@demo.example',
      kvno: 1,
      bytes: expect.any(Number),
      content: 'sealed: it opens with the key of orders@demo.example, kvno 1 (--keytab)',
    })
  })

  it('reads a file', async () => {
    const file = join(folder, 'inspected')
    await writeFile(file, `${await credentialBy(...args)}\n`, { mode: 0o600 })
    expect(await orthrus(['inspect', file])).toMatchObject({
      code: 0,
      out: expect.stringContaining('delegate billing@demo.example'),
    })
  })
})

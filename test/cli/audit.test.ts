import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Administration } from '../../client/channel/administration.js'
import { openKdcChannel } from '../../client/channel/kdc-channel.js'
import { connect, type Realm } from '../../client/connect.js'
import { type RunningKdc, startKdc } from '../../kdc/main.js'
import { createRealm } from '../../kdc/realm/create-realm.js'
import { openLevelStore } from '../../kdc/store/level/store.js'
import { createMasterKey, readMasterKey } from '../../kdc/vault/master-key.js'
import { Vault } from '../../kdc/vault/vault.js'
import { NO_LIMITS } from '../../shared/administration/principals.js'
import { systemRandom } from '../../shared/crypto/random.js'
import type { OrthrusError } from '../../shared/errors.js'
import { formatKeytab } from '../../shared/keytab/keytab.js'
import { parseRealm, principalIn } from '../../shared/principal.js'
import { systemClock } from '../../shared/time.js'
import { allow } from '../support/folder-realm.js'
import { runCommand } from './run-command.js'

/** The audit log of a KDC on a data folder, as an operator reads and checks it. */

const REALM = parseRealm('demo.example')
let data = ''
let kdc: RunningKdc
const keytabs = new Map<string, string>()
const clients: Realm[] = []

async function start(): Promise<RunningKdc> {
  return startKdc({ dataDirectory: data, listen: { port: 0 } })
}

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'orthrus-audit-cli-'))
  const masterKey = await createMasterKey(join(data, 'master.key'), systemRandom)
  const store = await openLevelStore(join(data, 'db'), { create: true })
  const vault = new Vault(store, masterKey, systemRandom)
  const admin = await createRealm({ vault, realm: REALM, clock: systemClock, random: systemRandom })
  await store.close()
  keytabs.set('admin', formatKeytab([admin]))
  await writeFile(join(data, 'admin.keytab'), formatKeytab([admin]), { mode: 0o600 })
  kdc = await start()
  const administration = new Administration(kdc.administration)
  for (const name of ['web', 'orders', 'stock']) {
    const principal = principalIn(REALM, name)
    const { kvno, key } = await administration.add({ principal, password: null, ...NO_LIMITS })
    if (key !== null) keytabs.set(name, formatKeytab([{ principal, kvno, key }]))
  }
  await administration.setRule(allow('web', 'orders'))
})

afterAll(async () => {
  for (const client of clients) client.close()
  await kdc.close()
  await rm(data, { recursive: true, force: true })
})

async function as(name: string): Promise<Realm> {
  const client = await connect({ kdc: kdc.url, keytab: { text: keytabs.get(name) ?? '' } })
  clients.push(client)
  return client
}

const admin = (...args: string[]) =>
  runCommand(['admin', ...args, '--keytab', join(data, 'admin.keytab')], { env: { ORTHRUS_KDC: kdc.url } })
const verify = (...args: string[]) => runCommand(['audit', 'verify', '--data', data, ...args])
const jsonLines = (out: string) =>
  out
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))

describe('the audit log', () => {
  it('has each ticket with its TGT and its rule, each refusal, and each act with its administrator', async () => {
    const web = await as('web')
    const ticket = await web.getServiceTicket('orders')
    await web.getServiceTicket('stock').catch(() => {})
    expect((await admin('disable', 'stock')).code).toBe(0)
    const { code, out, err } = await admin('audit', '--json')
    expect([code, err]).toEqual([0, ''])
    const lines = jsonLines(out)
    const web1 = `web@${REALM}`
    const granted = lines.filter(
      ({ client, outcome, kind }) => client === web1 && outcome === 'granted' && kind === 'ticket',
    )
    const [tgt, toOrders] = granted
    expect(tgt).toMatchObject({ exchange: 'AS', service: `krbtgt@${REALM}`, from: '127.0.0.1' })
    expect(toOrders).toMatchObject({
      service: `orders@${REALM}`,
      tgt: tgt.ticket,
      rule: `allow ${web1} orders@${REALM}`,
    })
    expect(toOrders.ticket).toMatch(/^[0-9a-f]{32}$/)
    expect(ticket).toBeDefined()
    expect(lines).toContainEqual(
      expect.objectContaining({
        client: web1,
        outcome: 'denied',
        service: `stock@${REALM}`,
        code: 'policy_denied',
      }),
    )
    const acts = lines.filter(({ kind, method }) => kind === 'administration' && method === 'disable')
    expect(acts.map(({ outcome }) => outcome)).toEqual(['planned', 'changed'])
    expect(acts[1]).toMatchObject({ client: `admin@${REALM}`, from: '127.0.0.1', on: [`stock@${REALM}`] })
    expect(lines).toContainEqual(
      expect.objectContaining({ kind: 'channel', outcome: 'opened', ticket: acts[1].ticket }),
    )
    // That somebody reads it is in it, too.
    expect(lines.at(-1)).toMatchObject({ outcome: 'read', method: 'audit' })
    expect(out).not.toContain('orthruskey')
  })

  it('is shown by client, service, outcome and time, in words', async () => {
    const { out } = await admin('audit', '--client', 'web', '--outcome', 'denied')
    expect(out).toMatch(
      /^\S+Z {2}denied {5}web {2}-> stock {2}(?:AS|TGS) {2}policy_denied {2}no rule allows it {2}id [0-9a-f]+ {2}from 127\.0\.0\.1 {2}tgt [0-9a-f]{32}\n$/,
    )
    expect(await admin('audit', '--client', 'wbe')).toMatchObject({
      code: 0,
      out: '',
      err: expect.stringMatching(/^orthrus: note: no line fits since \S+Z .*misspelt name/),
    })
    const about = await admin('audit', '--service', 'stock', '--json')
    expect(jsonLines(about.out).every(line => JSON.stringify(line).includes('stock@'))).toBe(true)
    expect((await admin('audit', '--client', 'web', '--since', '2099-01-01')).out).toBe('')
    expect((await admin('audit', '--outcome', 'nonsense')).code).toBe(2)
  })

  it('answers who got tickets for a service, and what a client uses', async () => {
    const who = await admin('who', 'orders')
    expect(who.out).toMatch(/^web@demo\.example {2}1 ticket {2}last \S+Z {2}from 127\.0\.0\.1\n$/)
    expect((await admin('who', 'web')).out).toMatch(/^nobody since \S+Z \(--since 7d looks further back\)\n$/)
    for (const [command, none] of [
      ['who', 'nobody'],
      ['uses', 'nothing'],
    ] as const)
      expect((await admin(command, 'nobodyhere')).out).toMatch(
        new RegExp(`^${none} since .*; there is no principal nobodyhere now: orthrus admin list\n$`),
      )
    const uses = await admin('uses', 'web', '--json')
    expect(JSON.parse(uses.out).uses).toEqual([
      expect.objectContaining({ service: `stock@${REALM}`, granted: 0, denied: 1 }),
      expect.objectContaining({ service: `orders@${REALM}`, granted: 1, denied: 0, from: '127.0.0.1' }),
    ])
  })

  it('is followed: what is written later comes by itself', async () => {
    const channel = await openKdcChannel(await as('admin'))
    const { audit } = new Administration(channel)
    const filter = { client: null, service: null, outcome: 'changed', since: systemClock.now() + 1 } as const
    const lines = audit.lines(filter, { follow: true })
    const first = lines.next()
    await new Administration(kdc.administration).enable(principalIn(REALM, 'stock'))
    expect((await first).value?.line).toMatchObject({ method: 'enable', on: [`stock@${REALM}`] })
    channel.close()
    await expect(lines.next()).rejects.toMatchObject({ code: 'channel_broken' })
  })

  it('is not for other principals', async () => {
    const channel = await openKdcChannel(await as('web'))
    for (const method of ['audit', 'uses'] as const) {
      await expect(channel.call(method, [])).rejects.toMatchObject({ code: 'not_authorized' })
    }
    channel.close()
  })

  it('answers the owner of a service about that service, and says what to type about the rest', async () => {
    const rule = { ...allow('orders', 'kdc'), claims: [['owner', 'orders']] as const }
    await new Administration(kdc.administration).setRule(rule)
    const keytab = join(data, 'orders.keytab')
    await writeFile(keytab, keytabs.get('orders') ?? '', { mode: 0o600 })
    const owner = (...args: string[]) =>
      runCommand(['admin', ...args, '--keytab', keytab], { env: { ORTHRUS_KDC: kdc.url } })
    expect((await owner('who', 'orders')).out).toMatch(/^web@demo\.example {2}1 ticket {2}last \S+Z\n$/)
    const { out } = await owner('audit', '--service', 'orders', '--outcome', 'granted')
    expect(out).toMatch(
      /^\S+Z {2}granted {4}web {2}-> orders {2}\w+ {2}by the rule allow web orders {2}ticket [0-9a-f]{32}\n$/,
    )
    const { code, err } = await owner('uses', 'web')
    expect([code, err]).toEqual([1, expect.stringContaining('orthrus admin who NAME')])
    expect((await owner('who', 'stock')).err).toContain('does not own this')
  })

  it('is checked while the KDC runs, and goes on over a restart', async () => {
    const running = await verify()
    expect(running).toMatchObject({ code: 0, err: '' })
    expect(running.out).toContain('every line is as the KDC wrote it')
    await kdc.close()
    kdc = await start()
    const again = JSON.parse((await verify('--json')).out)
    expect(again).toMatchObject({ first: 1, findings: [] })
    expect(kdc.audit).toMatchObject({ dropped: 0, isFailing: false })
    // A mark that was cut off is no reason to say that the log was changed.
    expect(await verify('--mark', 'orthrus-audit-mark-1.0000000000000001.AAAA')).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringContaining('--mark takes the whole text'),
    })
    const foreign = `orthrus-audit-mark-1.0000000000000001.${'A'.repeat(22)}.${'A'.repeat(22)}`
    const wrong = await verify('--mark', foreign)
    expect(wrong.code).toBe(1)
    expect(wrong.out).toContain('WRONG: the mark that was given was not made by this KDC')
  })

  it('tells what was refused under an id before the KDC was started again', async () => {
    const web = await as('web')
    const refusal = await web.getServiceTicket('stock').catch((cause: unknown) => cause)
    const { refusal: id = '' } = (refusal as OrthrusError).facts
    await kdc.close()
    kdc = await start()
    const { code, out, err } = await admin('why', '--id', id)
    expect(`${code} ${err}`).toBe('0 ')
    expect(out).toMatch(
      new RegExp(
        `^${id}: a ticket of web for stock was refused at .*: policy_denied, no rule allows it$`,
        'm',
      ),
    )
    expect(out).toMatch(/^to change it +orthrus admin allow web stock$/m)
    await writeFile(join(data, 'web.keytab'), keytabs.get('web') ?? '', { mode: 0o600 })
    const env = { ORTHRUS_KDC: kdc.url }
    const own = (...words: string[]) =>
      runCommand(['admin', 'why', ...words, '--keytab', join(data, 'web.keytab')], { env })
    expect((await own('--id', id)).out).toContain('a ticket of web for stock was refused')
    const nothing = await own('--id', '0123456789ab')
    expect(nothing.code).toBe(1)
    expect(nothing.err).toMatch(/its audit log was gone through back to \d{4}-/)
  })

  it('opens with the right master key only, and is not begun again without its key', async () => {
    const directory = join(data, 'audit')
    const key = (await readdir(directory)).includes('audit.key')
    expect(key).toBe(true)
    const other = await mkdtemp(join(tmpdir(), 'orthrus-other-key-'))
    await createMasterKey(join(other, 'master.key'), systemRandom)
    const { code, err } = await verify('--master-key-file', join(other, 'master.key'))
    expect([code, err]).toEqual([1, expect.stringContaining('does not open')])
    await rm(other, { recursive: true })
    await rm(join(directory, 'audit.key'))
    await kdc.close()
    await expect(start()).rejects.toThrow('audit.key does not exist')
    await rm(directory, { recursive: true })
    const none = await verify()
    expect([none.code, none.out]).toEqual([1, ''])
    expect(none.err).toMatch(
      /there is no audit log in .*a KDC begins one when it first runs.*somebody removed the log/,
    )
    kdc = await start()
    expect(await readMasterKey(join(data, 'master.key'))).toBeDefined()
  })
})

describe('a KDC whose audit log cannot be written', () => {
  it('grants tickets and refuses administration by name, and administers again when it can', async () => {
    const directory = join(data, 'audit')
    await rm(directory, { recursive: true })
    await writeFile(directory, 'no folder')
    const refused = await admin('enable', 'stock')
    expect(refused.code).toBe(1)
    expect(refused.err).toMatch(/the audit log cannot be written \(\w+\), so nothing is administered/)
    const web = await as('web')
    expect(await web.getServiceTicket('orders')).toBeDefined()
    expect(kdc.audit?.isFailing).toBe(true)
    await rm(directory)
    await kdc.close()
    kdc = await start()
    expect((await admin('enable', 'stock')).code).toBe(0)
  })

  it('keeps none if it is told so, and says that to whoever asks', async () => {
    await kdc.close()
    kdc = await startKdc({ dataDirectory: data, listen: { port: 0 }, audit: false })
    expect(kdc.audit).toBeUndefined()
    const { code, err } = await admin('audit')
    expect([code, err]).toEqual([1, expect.stringContaining('keeps no audit log')])
    await expect(startKdc({ dataDirectory: data, audit: { maxAge: 5 } })).rejects.toThrow(TypeError)
    await expect(startKdc({ dataDirectory: data, audit: { maxage: 5 } as never })).rejects.toThrow('maxage')
  })
})

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requireTicket } from '../../service/require-ticket.js'
import { startRealm, type TestRealm } from '../../testing/realm.js'
import { runCommand } from './run-command.js'

/** `orthrus admin why --via`: that what it says is what a service does, and that what it says to type changes it. */

let realm: TestRealm
let folder = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthrus-via-'))
  realm = await startRealm({ realm: 'demo.example' })
  await realm.add('root', 'web/1', 'billing', 'orders')
  await realm.allow('root', 'kdc', { claims: { role: 'admin' } })
  for (const name of ['root', 'web/1'])
    await writeFile(join(folder, name.replace('/', '-')), realm.keytab(name), { mode: 0o600 })
})

afterAll(async () => {
  await realm.close()
  await rm(folder, { recursive: true, force: true })
})

const as = (name: string, words: readonly string[]) =>
  runCommand([...words, '--keytab', join(folder, name)], { env: { ORTHRUS_KDC: realm.kdc.url } })
const admin = (...words: string[]) => as('root', ['admin', ...words])

const QUESTION = ['web/1', 'orders', '--via', 'billing', '--method', 'POST', '--path', '/x'] as const

/** What comes of the very request that is asked about, with fresh tickets. */
async function call(url: string): Promise<number | string> {
  const [web, billing] = [await realm.connect('web/1'), await realm.connect('billing')]
  try {
    const own = await web.getServiceTicket('orders')
    const handed = billing.import(own.attenuate({ to: 'billing' }).credential())
    const answer = await billing.fetch(`${url}/x`, { method: 'POST', ticket: handed, service: 'orders' })
    return answer.status
  } catch (cause) {
    return (cause as { code?: string }).code ?? String(cause)
  } finally {
    for (const each of [web, billing]) each.close()
  }
}

describe('orthrus admin why --via', () => {
  it('says what the service will do, step by step until the request passes', async () => {
    await realm.allow('web/*', 'orders', { claims: { role: 'reader' }, methods: ['GET'] })
    const service = await realm.loadService('orders')
    const server = createServer(requireTicket({ service }, (_req, res) => res.end('done')))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    await admin('disable', 'web/1')
    await admin('deny', 'billing', 'orders')
    const seen: unknown[] = []
    try {
      for (let i = 0; i < 8; i++) {
        const { passes, obstacle, next } = JSON.parse((await admin('why', ...QUESTION, '--json')).out)
        const called = await call(url)
        seen.push(obstacle, called)
        expect(called === 200).toBe(passes)
        if (passes) break
        const typed = next[0].replaceAll("'", '').split(' ').slice(1)
        expect((await as('root', typed)).err).toBe('')
        // The next rule of the presenter is one that restricts it.
        if (next[0] === 'orthrus admin allow billing orders')
          await admin('allow', 'billing', 'orders', '--paths', '/a')
      }
    } finally {
      server.close()
    }
    expect(seen).toEqual([
      'no ticket of the client',
      'principal_disabled',
      'no ticket of the presenter',
      expect.any(String),
      'no ticket of the presenter',
      expect.any(String),
      'not delegable',
      'delegation_invalid',
      'caveat of the presenter',
      'caveat_failed',
      'caveat of the client',
      'caveat_failed',
      null,
      200,
    ])
    const { rules } = JSON.parse((await admin('policy', 'web/*', 'orders', '--json')).out)
    expect(rules).toMatchObject([
      { client: 'web/*@demo.example', claims: { role: 'reader' }, delegable: true },
    ])
  })

  it('answers in a sentence, and about either ticket below it', async () => {
    const { out } = await admin('why', ...QUESTION)
    const [first, ...rest] = out.split('\n\n')
    expect(first).toBe(
      'billing may ask orders for POST /x in the name of web/1, if web/1 hands it a ticket that names it and adds no caveat that is in the way',
    )
    expect(rest.map(text => text.split('\n')[0])).toEqual([
      'web/1 gets a ticket for orders, and its caveats let POST /x pass',
      'billing gets a ticket for orders, and its caveats let POST /x pass',
    ])
    const refused = await admin('why', 'web/1', 'orders', '--via', 'billing', '--method', 'PUT')
    expect(refused.out.split('\n').slice(0, 2)).toEqual([
      'billing cannot ask orders in the name of web/1 for PUT: of the ticket of web/1, the caveat methods does not hold: PUT is not among GET, POST',
      "to change it  orthrus admin allow 'web/*' orders --methods GET,POST,PUT",
    ])
  })

  it.each([
    ['the client itself', ['web/1', 'orders', '--via', 'web/1'], 2, /web\/1 presents its own ticket/],
    ['an id', ['--id', '0123456789ab', '--via', 'web'], 2, /give it without --id/],
    ['what is no principal', ['web/1', 'orders', '--via', '*'], 2, /not a principal/],
  ])('refuses %s', async (_, words, expected, text) => {
    const { code, err } = await admin('why', ...words)
    expect(code).toBe(expected)
    expect(err).toMatch(text)
  })

  it('tells a principal nothing of another one', async () => {
    const { code, err } = await as('web-1', ['admin', 'why', 'web/1', 'orders', '--via', 'billing'])
    expect(code).toBe(1)
    expect(err).toMatch(/not_authorized: .*only for itself/)
  })
})

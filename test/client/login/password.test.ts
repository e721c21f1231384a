import { describe, expect, it } from 'vitest'
import type { PasswordLogin } from '../../../client/connect-options.js'
import { passwordIdentity } from '../../../client/login/password.js'
import { derivePasswordKey } from '../../../shared/crypto/derive.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import type { OrthrusError } from '../../../shared/errors.js'
import { decodeAsRequest } from '../../../shared/exchange/as.js'
import { createParamsReply, type PasswordParameters } from '../../../shared/exchange/params.js'
import { parsePrincipal } from '../../../shared/principal.js'
import { HOUR, SECOND } from '../../../shared/time.js'
import { turns } from '../../support/turns.js'
import { ORDERS } from '../fake-kdc.js'
import { failureOf, Setting } from '../setting.js'

const ALICE = parsePrincipal('alice@demo.example')
const PASSWORD = 'correct horse battery staple'

async function prepare(options: Partial<PasswordLogin> = {}) {
  const setting = new Setting()
  const { kdc } = setting
  const cache = new Map<string, PasswordParameters>()
  const setPassword = async (parameters = kdc.parameters) => {
    Object.assign(kdc, { parameters })
    kdc.keys.set(ALICE, await derivePasswordKey(PASSWORD, ALICE, parameters.salt, parameters))
  }
  const connect = () =>
    setting.connect({
      principal: ALICE,
      password: PASSWORD,
      parametersCache: cache,
      ...options,
    } as PasswordLogin)
  return { kdc, time: setting.time, cache, setPassword, connect }
}

describe('a password', () => {
  it('logs in with the current key, whose parameters are asked for once and which is made once', async () => {
    const { kdc, time, cache, setPassword, connect } = await prepare()
    await setPassword()
    const realm = await connect()
    expect(kdc.log).toEqual([])
    const tickets = await Promise.all(['orders', 'billing'].map(name => realm.getServiceTicket(name)))
    expect(tickets[0]).toMatchObject({ service: ORDERS, client: ALICE })
    expect(kdc.log).toEqual(['PARAMS', 'AS orders billing'])
    expect(decodeAsRequest(kdc.asked[1]?.bytes as Uint8Array).kvno).toBe(0)
    expect(cache.get(ALICE)).toEqual(kdc.parameters)
    time.pass(20 * HOUR)
    await realm.getServiceTicket('orders')
    expect(kdc.log.slice(2)).toEqual(['AS orders'])
  })

  it('may be written in any Unicode form, and a name short with its realm', async () => {
    const { kdc, setPassword } = await prepare()
    await setPassword()
    const { salt } = kdc.parameters
    kdc.keys.set(ALICE, await derivePasswordKey('caf\u00e9', ALICE, salt, kdc.parameters))
    const setting = new Setting()
    Object.assign(setting.kdc, { keys: kdc.keys, parameters: kdc.parameters })
    const realm = await setting.connect({ principal: 'alice', realm: 'demo.example', password: 'cafe\u0301' })
    expect(await realm.getServiceTicket('orders')).toMatchObject({ client: ALICE })
  })

  it('that is wrong is reported as wrong, though nobody proved it, and nothing is kept', async () => {
    const { kdc, cache, connect } = await prepare()
    kdc.keyOf(ALICE)
    const realm = await connect()
    const cause = (await failureOf(realm.getServiceTicket('orders'))) as OrthrusError
    expect(cause).toMatchObject({ code: 'password_wrong', final: false, facts: { claimed: 'auth_failed' } })
    expect(String(cause)).not.toContain(PASSWORD)
    expect(cache.size).toBe(0)
  })

  it('leads to another question after the KDC could not answer', async () => {
    const { kdc, time, setPassword, connect } = await prepare()
    await setPassword()
    const realm = await connect()
    kdc.intercept = () => kdc.error('rate_limited')
    const cause = await failureOf(realm.getServiceTicket('orders'))
    expect(cause).toMatchObject({ code: 'rate_limited', final: false })
    kdc.intercept = (_, honest) => honest()
    time.pass(2 * SECOND)
    expect(await realm.getServiceTicket('orders')).toMatchObject({ client: ALICE })
  })
})

describe('parameters of a password', () => {
  const given: [string, Partial<PasswordParameters>][] = [
    ['too weak', { log2N: 16 }],
    ['absurd', { log2N: 21 }],
    ['the largest number', { log2N: 2 ** 53 - 1 }],
    ['none', { log2N: 0 }],
    ['another r', { r: 1 }],
    ['a large r', { r: 2 ** 30 }],
    ['another p', { p: 2 }],
  ]

  it.each(given)('%s are refused before any key is made', async (_, change) => {
    const { kdc, cache, connect } = await prepare()
    kdc.intercept = () => createParamsReply({ ...kdc.parameters, ...change })
    const cause = await failureOf((await connect()).getServiceTicket('orders'))
    expect(cause).toMatchObject({ code: 'refused_unproved', final: true })
    expect(kdc.log).toEqual(['PARAMS'])
    expect(cache.size).toBe(0)
  })

  it.each([
    ['salt', (known: PasswordParameters) => ({ ...known, salt: systemRandom(16) })],
    ['strength', (known: PasswordParameters) => ({ ...known, log2N: 18 })],
  ])('of another %s than at the first login are reported, and nothing is sent', async (_, change) => {
    const { kdc, cache, connect } = await prepare()
    cache.set(ALICE, kdc.parameters)
    kdc.intercept = () => createParamsReply(change(kdc.parameters))
    const cause = (await failureOf((await connect()).getServiceTicket('orders'))) as OrthrusError
    expect(cause).toMatchObject({ code: 'refused_unproved', final: true })
    expect(cause.facts.hint).toContain('was changed')
    expect(kdc.log).toEqual(['PARAMS'])
  })

  it('are kept only once the KDC has proved itself', async () => {
    const { kdc, cache, setPassword, connect } = await prepare()
    await setPassword()
    const fake = { ...kdc.parameters, salt: systemRandom(16) }
    kdc.intercept = ({ exchange }, honest) => (exchange === 'PARAMS' ? createParamsReply(fake) : honest())
    expect(await failureOf((await connect()).getServiceTicket('orders'))).toMatchObject({
      code: 'password_wrong',
    })
    expect(cache.size).toBe(0)
  })

  it.each([
    ['no message', new Uint8Array([1, 14])],
    ['another one', new Uint8Array([1, 2, 0x90])],
  ])('that are %s are malformed', async (_, bytes) => {
    const { kdc, connect } = await prepare()
    kdc.intercept = () => bytes
    expect(await failureOf((await connect()).getServiceTicket('orders'))).toMatchObject({ code: 'malformed' })
  })
})

describe('a password login that was refused', () => {
  const refused = { code: 'password_wrong', final: false }

  it('is followed by a report of another salt as long as the old one is kept', async () => {
    const { kdc, time, cache, setPassword, connect } = await prepare()
    await setPassword()
    const realm = await connect()
    await realm.getServiceTicket('orders')
    await setPassword({ ...kdc.parameters, salt: systemRandom(16) })
    time.pass(20 * HOUR)
    expect(await failureOf(realm.getServiceTicket('orders'))).toMatchObject(refused)
    time.pass(2 * SECOND)
    for (let i = 0; i < 2; i++) {
      const cause = await failureOf(realm.getServiceTicket('orders'))
      expect(cause).toMatchObject({ code: 'refused_unproved', final: true })
      expect((cause as OrthrusError).facts.hint).toContain('connect again')
    }
    expect(kdc.log.slice(2)).toEqual(['AS orders', 'PARAMS', 'PARAMS'])
    cache.clear()
    expect(await (await connect()).getServiceTicket('orders')).toMatchObject({ client: ALICE })
  })

  it('is repeated after a forged salt at the first login, with one key for each attempt', async () => {
    const { kdc, time, cache, setPassword, connect } = await prepare()
    await setPassword()
    const realm = await connect()
    kdc.intercept = ({ exchange }, honest) =>
      exchange === 'PARAMS' ? createParamsReply({ ...kdc.parameters, salt: systemRandom(16) }) : honest()
    expect(await failureOf(realm.getServiceTicket('orders'))).toMatchObject(refused)
    expect(kdc.log).toEqual(['PARAMS', 'AS orders'])
    expect(cache.size).toBe(0)
    kdc.intercept = (_, honest) => honest()
    time.pass(2 * SECOND)
    expect(await realm.getServiceTicket('orders')).toMatchObject({ client: ALICE })
    expect(kdc.log.slice(2)).toEqual(['PARAMS', 'AS orders'])
    expect(cache.get(ALICE)).toEqual(kdc.parameters)
  })

  it('is repeated after a forged refusal', async () => {
    const { kdc, time, setPassword, connect } = await prepare()
    await setPassword()
    const realm = await connect()
    kdc.intercept = ({ exchange }, honest) => (exchange === 'AS' ? kdc.error('auth_failed') : honest())
    expect(await failureOf(realm.getServiceTicket('orders'))).toMatchObject(refused)
    kdc.intercept = (_, honest) => honest()
    time.pass(2 * SECOND)
    expect(await realm.getServiceTicket('orders')).toMatchObject({ client: ALICE })
    expect(kdc.log).toEqual(['PARAMS', 'AS orders', 'PARAMS', 'AS orders'])
  })

  it('costs no second scrypt if the parameters are the same', async () => {
    const parameters: PasswordParameters = { log2N: 17, r: 8, p: 1, salt: systemRandom(16) }
    let asked = 0
    const exchange = async () => {
      asked++
      return { bytes: createParamsReply(parameters), kdc: 'ws://127.0.0.1:8750' }
    }
    const options = { client: ALICE, password: PASSWORD, parametersCache: new Map(), exchange }
    const identity = passwordIdentity(options)
    const login = await identity.loginKey()
    const { key } = login
    expect((await identity.loginKey()).key).toBe(key)
    expect(asked).toBe(1)
    expect(await identity.keyRefused(login, new Set([key]))).toBe(undefined)
    expect((await identity.loginKey()).key).toBe(key)
    expect(asked).toBe(2)
  })
})

describe('where a password is used', () => {
  it.each([
    ['ws://127.0.0.1:8750', true],
    ['ws://127.9.9.9', true],
    ['ws://localhost:8750', true],
    ['ws://[::1]:8750', true],
    ['wss://kdc.demo.example', true],
    ['ws://kdc.demo.example', false],
    ['ws://128.0.0.1', false],
    ['ws://10.0.0.1:8750', false],
    ['ws://127.0.0.1.evil.test', false],
    ['ws://localhost.evil.test', false],
    ['ws://[::2]', false],
  ])('%s: %s', async (url, taken) => {
    const { kdc } = new Setting()
    expect(kdc.urls.size).toBe(1)
    const setting = new Setting()
    setting.kdc.up(url)
    const options = { kdc: ['wss://first.test', url], principal: ALICE, password: PASSWORD }
    if (taken) await setting.connect(options)
    else {
      expect(await failureOf(setting.connect(options))).toBeInstanceOf(TypeError)
      expect(setting.kdc.tried).toEqual([])
      await setting.connect({ ...options, allowPasswordOverPlainWebSocket: true })
    }
    await turns()
  })

  it('a keytab is accepted over any URL, since its key is random', async () => {
    const setting = new Setting()
    setting.kdc.up('ws://kdc.demo.example')
    expect(await setting.connect({ kdc: 'ws://kdc.demo.example' })).toBeDefined()
  })
})

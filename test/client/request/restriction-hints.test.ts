import { describe, expect, it, onTestFinished } from 'vitest'
import { connect } from '../../../client/connect.js'
import type { Attenuation } from '../../../client/ticket/attenuation.js'
import type { OrthrusError } from '../../../shared/errors.js'
import type { AllowOptions } from '../../../testing/index.js'
import { failureOf, Guarded, startTestRealm } from '../../support/world.js'

/** The next step that a client reports if a restriction does not hold: its own, its giver's or policy's. */

const BEARER = { allowBearerCredential: true } as const

async function scene(rule: AllowOptions = {}) {
  const realm = await startTestRealm()
  await realm.add('web', 'billing', 'orders', 'ledger')
  await realm.allow('web', '*', { delegable: true, ...rule })
  await realm.allow('billing', 'orders')
  const orders = await Guarded.start(realm, 'orders')
  const url = `http://127.0.0.1:${orders.port}`
  const web = await realm.connect('web')
  return { realm, orders, url, web }
}

async function hintOf(failing: Promise<unknown>): Promise<string> {
  const failure = (await failureOf(failing)) as OrthrusError
  expect(failure).toMatchObject({ code: 'caveat_failed', final: true })
  return failure.facts.hint ?? ''
}

const POST = { method: 'POST' } as const

describe('the hint of a restriction that does not hold', () => {
  it.each<[Attenuation, string]>([
    [{ methods: ['GET', 'HEAD'] }, 'methods GET, HEAD'],
    [{ paths: ['/a', '/b'] }, 'paths /a, /b'],
    [{ services: ['ledger'] }, 'services ledger@test.example'],
    [{ app: { tenant: 'acme' } }, 'app tenant = acme'],
    [{ methods: [] }, 'methods (none)'],
  ])('names the own one: %j', async (attenuation, told) => {
    const { url, web } = await scene()
    const whole = await web.getServiceTicket('orders')
    const ticket = whole.attenuate({ claims: [] }).attenuate(attenuation)
    expect(await hintOf(web.fetch(`${url}/orders`, { ...POST, ticket }))).toBe(
      `the ticket was cut down to ${told}, and this request does not fit: use one that was cut down less`,
    )
  })

  it('names all of them that have the name of the one that failed', async () => {
    const { url, web } = await scene()
    const ticket = (await web.getServiceTicket('orders'))
      .attenuate({ methods: ['GET', 'HEAD'], paths: ['/'] })
      .attenuate({ methods: ['HEAD', 'POST'] })
    expect(await hintOf(web.fetch(`${url}/orders`, { ticket }))).toContain(
      'cut down to methods GET, HEAD and methods HEAD, POST, and this',
    )
  })

  it('names those of whoever handed the ticket on, alone and beside an own ticket', async () => {
    const { realm, url, web } = await scene()
    const billing = await realm.connect('billing')
    const less = (await web.getServiceTicket('orders')).attenuate({ methods: ['GET'] })
    for (const ticket of [
      billing.import(less.credential(), BEARER),
      billing.import(less.attenuate({ to: 'billing' }).credential()),
    ])
      expect(await hintOf(billing.fetch(url, { ...POST, service: 'orders', ticket }))).toBe(
        'the credential was cut down to methods GET, and this request does not fit: ask whoever handed it on for another',
      )
    const both = less.attenuate({ to: 'billing' }).attenuate({ to: 'web' }).credential()
    expect(await hintOf(billing.onBehalf(both).fetch(url, { service: 'orders' }))).toContain(
      'cut down to delegate billing@test.example and delegate web@test.example, and this',
    )
  })

  it('names the rules of policy where only they can have forbidden it', async () => {
    const { realm, url, web } = await scene({ methods: ['GET'] })
    expect(await hintOf(web.fetch(url, { ...POST, service: 'orders' }))).toBe(
      'policy does not allow this request; run: orthrus admin policy web orders',
    )
    const ticket = (await web.getServiceTicket('orders')).attenuate({ methods: ['POST'] })
    expect(await hintOf(web.fetch(url, { ...POST, ticket }))).toContain(
      'run: orthrus admin policy web orders',
    )
    const billing = await realm.connect('billing')
    const named = billing.import(ticket.attenuate({ to: 'billing' }).credential())
    expect(await hintOf(billing.fetch(url, { ...POST, service: 'orders', ticket: named }))).toBe(
      'policy does not allow this request; run: orthrus admin policy web orders, and: orthrus admin policy billing orders',
    )
  })

  it('says that the credential may be the cause of a client that has nothing else', async () => {
    const { realm, url, web } = await scene()
    const credential = (await web.getTgt()).attenuate({ methods: ['GET'], services: ['orders'] }).credential()
    const { clock } = realm
    const worker = await connect({ kdc: realm.kdc.url, credential, clock, timers: clock, ...BEARER })
    onTestFinished(() => worker.close())
    const told =
      'the credential that this client connected with does not allow this request, or policy does not; run: orthrus admin policy web orders'
    expect(await hintOf(worker.fetch(url, { ...POST, service: 'orders' }))).toBe(told)
    const ticket = await worker.getServiceTicket('orders')
    expect(await hintOf(worker.fetch(url, { ...POST, ticket }))).toBe(told)
    const less = ticket.attenuate({ paths: ['/a'] })
    expect(await hintOf(worker.fetch(url, { ticket: less }))).toContain('cut down to paths /a, and this')
    expect(await hintOf(worker.getServiceTicket('ledger'))).toMatch(
      /^the credential of web was cut down to other services: ask whoever made it for one that names ledger; why: orthrus admin why --id [0-9a-f]{12}$/,
    )
  })

  it('says of a credential of a TGT that has ended to ask for another', async () => {
    const { realm, web } = await scene()
    const credential = (await web.getTgt()).attenuate({ expires: '1m' }).credential()
    const { clock } = realm
    const worker = await connect({ kdc: realm.kdc.url, credential, clock, timers: clock, ...BEARER })
    onTestFinished(() => worker.close())
    clock.advance(60_000)
    expect(await hintOf(worker.getServiceTicket('orders'))).toBe(
      'the credential has ended: ask whoever handed it on for another',
    )
  })
})

import { describe, expect, it } from 'vitest'
import { type LoadServiceOptions, type RequireTicketOptions, requireTicket } from '../../../service/index.js'
import { loadService } from '../../support/load-service.js'
import { expectRefused, keytab, startRealm } from '../realm.js'

/** An option that does not exist would leave a door open that its author believes to be closed. */

const wrong = (options: object) => options as RequireTicketOptions

describe('requireTicket refuses', () => {
  it.each([
    [{ claim: { role: 'admin' } }, 'did you mean "claims"?'],
    [{ Claims: { role: 'admin' } }, 'did you mean "claims"?'],
    [{ delegate: 'refuse' }, 'did you mean "delegates"?'],
    [{ refusePasswords: true }, 'did you mean "refusePassword"?'],
    [{ maxbody: 10 }, 'did you mean "maxBody"?'],
    [{ onrefused: () => {} }, 'did you mean "onRefused"?'],
    [{ path: '/orders' }, 'it takes service, claims'],
  ])('%j', async (options, advice) => {
    const service = await loadService({ keytab, service: 'orders' })
    expect(() => requireTicket(wrong({ service, ...options }))).toThrow(TypeError)
    expect(() => requireTicket(wrong({ service, ...options }))).toThrow(advice)
  })

  it.each([undefined, null, 7, 'orders', []])('%j in place of options', options => {
    expect(() => requireTicket(options as unknown as RequireTicketOptions)).toThrow(TypeError)
  })

  it('the service in place of options, and says where it goes', async () => {
    const service = await loadService({ keytab, service: 'orders' })
    expect(() => requireTicket(wrong(service))).toThrow(
      /^requireTicket takes options, .*requireTicket\(\{ service \}\)$/,
    )
  })

  it.each([
    ['of node:http and Express', { headers: {}, rawHeaders: [], _events: {} }],
    ['of the web', new Request('http://orders.test/')],
    ['in a context of Koa or Hono', { req: {} }],
  ])('a request %s, which comes where the gate was mounted without being called', (_, request) => {
    expect(() => requireTicket(wrong(request))).toThrow('call it once, and mount what it returns')
  })

  it('a service that was not awaited', () => {
    const service = loadService({ keytab, service: 'orders' })
    expect(() => requireTicket(wrong({ service }))).toThrow('await loadService')
  })

  it('a service of another copy of the package, as of another bundle', async () => {
    const { principal, state } = await loadService({ keytab, service: 'orders' })
    expect(() => requireTicket(wrong({ service: { principal, state } }))).toThrow('npm ls orthrus')
  })

  it.each([{ maxBody: -1 }, { maxResponse: 1.5 }, { onRefused: 'log' }, { caveats: { tenant: true } }])(
    'what could not be meant so: %j',
    async options => {
      const service = await loadService({ keytab, service: 'orders' })
      expect(() => requireTicket(wrong({ service, ...options }))).toThrow(TypeError)
    },
  )
})

describe('loadService refuses', () => {
  it.each([
    [{ allowReadable: true }, 'loadService has no option "allowReadable"'],
    [{ replaycache: {} }, 'did you mean "replayCache"?'],
    [{ schedule: setTimeout }, 'loadService has no option "schedule"'],
    [{ replayCache: { maxbytes: 1 } }, 'replayCache of loadService has no option "maxbytes"'],
    [{ ticketCache: { max: 5 } }, 'ticketCache of loadService has no option "max"'],
    [{ keytab: { ...keytab, path: 'x' } }, 'keytab of loadService has no option "path"'],
  ])('%j', async (options, message) => {
    const loading = loadService({ keytab, service: 'orders', ...options } as LoadServiceOptions)
    await expect(loading).rejects.toThrow(message)
    await expect(loading).rejects.toThrow(TypeError)
  })
})

describe('a function of the owner that is asynchronous', () => {
  it('and fails does not end the process, as onRefused or the checker of a caveat', async () => {
    const fail = async (): Promise<never> => Promise.reject(new Error('no database'))
    const realm = await startRealm({ onRefused: fail, caveats: { tenant: fail as never } })
    const request = realm.sign({}, { caveats: [{ name: 'app', app: 'tenant', value: 'acme' }] })
    expectRefused(await realm.send(request), request, 'caveat_failed', '06')
    const hooks = () => realm.log.lines.filter(({ level }) => level === 'error').map(line => line.fields.hook)
    await expect.poll(hooks, { interval: 1 }).toEqual(['caveats.tenant', 'onRefused'])
  })
})

import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { createDispatch } from '../../../kdc/exchange/dispatch.js'
import {
  ALL_REFUSALS_LOGGED,
  DEFAULT_LIMITS,
  REFUSALS_LOGGED,
  TICKETS_LOGGED,
} from '../../../kdc/limits/defaults.js'
import { createRateLimits } from '../../../kdc/limits/rate-limits.js'
import { logListener } from '../../../kdc/report/log.js'
import { encodeNewPrincipal, NO_LIMITS } from '../../../shared/administration/principals.js'
import { SIZE, TYPE } from '../../../shared/constants.js'
import { expand } from '../../../shared/crypto/derive.js'
import { LongTermKey, revealKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import type { RealmName } from '../../../shared/principal.js'
import {
  ADDRESS,
  ask,
  grantOf,
  type Identity,
  idOf,
  local,
  login,
  outcome,
  stranger,
  type TestRealm,
  testRealm,
} from '../../support/realm.js'

/** A realm that remembers the keys, ids and nonces it ever drew; those of a seal are sent in clear. */
async function scene(): Promise<TestRealm & { drawn: Uint8Array[] }> {
  const drawn: Uint8Array[] = []
  const random = (length: number): Uint8Array => {
    const bytes = systemRandom(length)
    if (length >= SIZE.NONCE && length !== SIZE.SEAL_NONCE) drawn.push(bytes.slice())
    return bytes
  }
  const realm = await testRealm({ random })
  return { ...realm, drawn }
}

function textsOf(bytes: Uint8Array): string[] {
  const buffer = Buffer.from(bytes)
  const list = [...bytes].join(',')
  return [
    buffer.toString('hex'),
    buffer.toString('base64').slice(0, -2),
    buffer.toString('base64url').slice(0, -1),
    list,
  ]
}

/** Everything that a logger could make of it; bytes in whatever form as numbers with commas between. */
function saidIn(lines: unknown): string {
  const text = `${JSON.stringify(lines)} ${inspect(lines, { depth: 20, showHidden: true })}`
  return text.replaceAll(/"\d+":/g, '').replaceAll(/\s+/g, '')
}

describe('the log', () => {
  it('has tickets issued and refused, and never a secret', async () => {
    const realm = await scene()
    const password = {
      parameters: { log2N: 17, r: 8, p: 1, salt: systemRandom(16) },
      key: new LongTermKey(systemRandom(32)),
    }
    const ann = await realm.add('ann', { password })
    const orders = await realm.add('orders')
    await realm.allow('ann', 'orders')
    const answer = await login(realm, ann, { services: [orders.principal, local('ghost')] })
    const [tgt, ticket] = [grantOf(answer), grantOf(answer, 1)]
    await ask(realm, tgt, { services: [orders.principal], time: 0 })
    await login(realm, stranger('ann@demo.example'))
    await realm.dispatch(systemRandom(100), ADDRESS)
    const whole = { principal: local('ann'), password, ...NO_LIMITS }
    await realm.call('add', encodeNewPrincipal(whole)).catch(() => {})
    await failedLogin(realm, ann, { tgt, ann, password })

    const { lines } = realm.logger
    expect(lines.filter(({ message }) => message === 'ticket issued').map(({ fields }) => fields)).toEqual([
      {
        exchange: 'AS',
        client: 'ann@demo.example',
        address: ADDRESS,
        service: 'krbtgt@demo.example',
        ticketId: idOf(tgt),
        endTime: tgt.endTime,
      },
      {
        exchange: 'AS',
        client: 'ann@demo.example',
        address: ADDRESS,
        service: 'orders@demo.example',
        ticketId: idOf(ticket),
        tgt: idOf(tgt),
        endTime: ticket.endTime,
      },
    ])
    expect(lines).toContainEqual(
      expect.objectContaining({
        message: 'ticket denied',
        fields: {
          exchange: 'AS',
          client: 'ann@demo.example',
          address: ADDRESS,
          service: 'ghost@demo.example',
          code: 'policy_denied',
          reason: 'no rule allows it',
          id: expect.stringMatching(/^[0-9a-f]{12}$/),
        },
      }),
    )
    expect(
      lines
        .filter(({ message }) => message === 'request refused')
        .map(({ fields }) => [fields.code, fields.reason]),
    ).toEqual([
      ['clock_skew', 'the time of the request is too far from KDC time'],
      ['auth_failed', 'the MAC does not match the key'],
      [expect.any(String), expect.any(String)],
    ])

    const told = saidIn(lines)
    expect(saidIn([{ ...tgt }])).toContain(textsOf(tgt.ticketId)[3])
    expect(told).toContain(textsOf(tgt.ticketId)[0])
    const ids = new Set([idOf(tgt), idOf(ticket)])
    const keys = [ann.key, orders.key, password.key, tgt.key, ticket.key].flatMap(key => [
      revealKey(key),
      expand(key, 'ticket' as never),
    ])
    const secrets = [...keys, ...realm.drawn].filter(bytes => !ids.has(Buffer.from(bytes).toString('hex')))
    expect(secrets.length).toBeGreaterThan(15)
    for (const secret of secrets) for (const text of textsOf(secret)) expect(told).not.toContain(text)
  })
})

describe('the log of refusals', () => {
  const { points } = REFUSALS_LOGGED
  const OTHER = '198.51.100.7'
  const limited = () => testRealm({ rates: createRateLimits(DEFAULT_LIMITS) })
  const garbage = new Uint8Array(9)
  const linesOf = ({ logger: { lines } }: TestRealm, level = 'warn') =>
    lines.filter(line => line.level === level)

  it('has a limited number for an address that proves nothing, then one line that says so, and all of others', async () => {
    const realm = await limited()
    for (let i = 0; i < 3 * points; i++) {
      expect((await realm.dispatch(garbage, ADDRESS))[1]).toBe(TYPE.ERROR)
    }
    const lines = linesOf(realm)
    expect(lines).toHaveLength(points + 1)
    expect(lines.slice(0, -1).every(({ message }) => message === 'request refused')).toBe(true)
    expect(lines.at(-1)).toEqual({
      level: 'warn',
      fields: { requester: `address ${ADDRESS}`, seconds: REFUSALS_LOGGED.interval / 1000 },
      message: 'too many refusals: further ones are not logged for now',
    })
    await realm.dispatch(garbage, OTHER)
    expect(linesOf(realm).at(-1)?.fields.address).toBe(OTHER)
  })

  it('has no more for a site than for four addresses, however many IPv6 networks it has', async () => {
    const realm = await limited()
    for (let i = 0; i < 9 * points; i++) await realm.dispatch(garbage, `2001:db8:1:${(i % 9) + 1}00::/64`)
    const refused = linesOf(realm).filter(({ message }) => message === 'request refused')
    expect(refused).toHaveLength(4 * points)
    expect(linesOf(realm).at(-1)?.fields.requester).toBe('address 2001:db8:1::/48')
    expect(linesOf(realm)).toHaveLength(4 * points + 1)
  })

  it('has no more for thousands of addresses than for all of them, and says so once', () => {
    const lines: { readonly level: string; readonly fields: object; readonly message: string }[] = []
    const into = (level: string) => (fields: object, message: string) =>
      lines.push({ level, fields, message })
    let now = 0
    const logger = { debug: into('debug'), info: into('info'), warn: into('warn'), error: into('error') }
    const listen = logListener(logger, () => now)
    const reason = 'closed to make room for another of its address'
    const flood = (addresses: number, each: number): void => {
      for (let i = 0; i < addresses * each; i++) {
        const address = `198.${18 + ((i % addresses) >> 16)}.${((i % addresses) >> 8) & 255}.${(i % addresses) & 255}`
        listen({ kind: 'connection_refused', address, reason })
      }
    }
    const { points: all, interval } = ALL_REFUSALS_LOGGED
    flood(20_000, 2)
    flood(1_000, points + 9)
    expect(lines).toHaveLength(all + 1)
    expect(lines.at(-1)).toEqual({
      level: 'warn',
      fields: { requester: 'all addresses', seconds: interval / 1000 },
      message: 'too many refusals: further ones are not logged for now',
    })
    now += interval
    listen({ kind: 'kdc_closed', realm: 'test.example' as RealmName })
    expect(lines.length).toBeLessThanOrEqual(2 * (all + 1) + 2)
    expect(lines.at(-1)?.message).toBe('KDC closed')
    const sums = lines.filter(({ fields }) => 'omitted' in fields && 'requester' in fields)
    expect(sums).toContainEqual({
      level: 'warn',
      fields: { requester: 'all addresses', omitted: expect.any(Number) },
      message: 'refusals were not logged, because there were too many',
    })
  })

  it('goes on when the interval ends, and says how many were omitted', async () => {
    const realm = await limited()
    for (let i = 0; i < points + 9; i++) await realm.dispatch(garbage, ADDRESS)
    realm.clock.pass(REFUSALS_LOGGED.interval)
    await realm.dispatch(garbage, OTHER)
    expect(linesOf(realm)).toHaveLength(points + 3)
    expect(linesOf(realm).at(-2)).toEqual({
      level: 'warn',
      fields: { requester: `address ${ADDRESS}`, omitted: 9 },
      message: 'refusals were not logged, because there were too many',
    })
    await realm.dispatch(garbage, ADDRESS)
    expect(linesOf(realm)).toHaveLength(points + 4)
  })

  it('has each guess at a key until guesses are stopped', async () => {
    const realm = await limited()
    for (let i = 0; i < 2 * points; i++) await login(realm, stranger('web@demo.example'))
    const codes = linesOf(realm).map(({ fields }) => fields.code)
    const guesses = DEFAULT_LIMITS.failedLogins.points
    expect(codes).toEqual([
      ...Array(guesses).fill('auth_failed'),
      ...Array(points - guesses).fill('rate_limited'),
      undefined,
    ])
  })

  it('has those of a client that proved itself, whatever others send from its address', async () => {
    const realm = await limited()
    const web = await realm.add('web')
    for (let i = 0; i < 2 * points; i++) await realm.dispatch(garbage, ADDRESS)
    await realm.call('disable', [web.principal])
    await login(realm, web)
    expect(linesOf(realm).at(-1)?.fields).toMatchObject({ client: web.principal, code: 'principal_disabled' })
  })

  it('has a limited number for a proved request that somebody repeats', async () => {
    const realm = await limited()
    const web = await realm.add('web')
    for (let i = 0; i < 2 * points; i++)
      expect(outcome(await login(realm, web, { time: 0 }))).toBe('06 clock_skew')
    expect(linesOf(realm)).toHaveLength(points + 1)
  })

  it('has those of a client, even if somebody repeats its old requests elsewhere', async () => {
    const realm = await limited()
    const web = await realm.add('web')
    for (let i = 0; i < 2 * points; i++) await login(realm, web, { time: 0 }, OTHER)
    await realm.call('disable', [web.principal])
    await login(realm, web)
    expect(linesOf(realm).at(-1)?.fields).toMatchObject({ client: web.principal, code: 'principal_disabled' })
  })

  it('has the errors of the KDC itself, whatever was refused before them', async () => {
    const realm = await limited()
    const web = await realm.add('web')
    for (let i = 0; i < 2 * points; i++) await login(realm, web, { time: 0 })
    for (let i = 0; i < 2 * points; i++) await failedLogin(realm, web, {})
    expect(linesOf(realm, 'error')).toHaveLength(points + 1)
  })
})

describe('the log of tickets', () => {
  const { points, interval } = TICKETS_LOGGED
  const linesAbout = ({ logger: { lines } }: TestRealm, client: string, message: string) =>
    lines.filter(line => line.message === message && line.fields.client === client)

  it.each([
    ['issued', 'info', 'kdc'],
    ['denied', 'warn', 'ghost'],
  ])(
    '%s has a limited number for each client, and says how many were omitted',
    async (fate, level, service) => {
      const realm = await testRealm()
      const [eve, web] = [await realm.add('eve'), await realm.add('web')]
      await realm.allow('eve', 'kdc')
      const [tgt, webs] = [grantOf(await login(realm, eve)), grantOf(await login(realm, web))]
      const before = realm.logger.lines.length
      for (let i = 0; i < points + 50; i++) await ask(realm, tgt, { services: [local(service)] })
      const lines = realm.logger.lines.slice(before)
      const logged = linesAbout(realm, eve.principal, `ticket ${fate}`).filter(line => lines.includes(line))
      expect(logged.length).toBeGreaterThanOrEqual(points - 1)
      expect(logged.length).toBeLessThanOrEqual(points)
      expect(lines).toHaveLength(logged.length + 1)
      expect(lines.at(-1)).toEqual({
        level,
        fields: { requester: eve.principal, seconds: interval / 1_000 },
        message: 'too many tickets: further ones are not logged for now',
      })

      await ask(realm, tgt, { services: [local(fate === 'issued' ? 'ghost' : 'kdc')] })
      expect(realm.logger.lines.at(-1)?.message).toBe(fate === 'issued' ? 'ticket denied' : 'ticket issued')
      await ask(realm, webs, { services: [local('ghost')] })
      expect(linesAbout(realm, web.principal, 'ticket denied')).toHaveLength(1)
      await login(realm, stranger(eve.principal))
      expect(realm.logger.lines.at(-1)).toMatchObject({
        message: 'request refused',
        fields: { code: 'auth_failed' },
      })

      realm.clock.pass(interval)
      await login(realm, web)
      expect(realm.logger.lines).toContainEqual({
        level,
        fields: { requester: eve.principal, omitted: points + 50 - logged.length },
        message: 'tickets were not logged, because there were too many',
      })
    },
  )

  it('says how many were omitted when the KDC closes', () => {
    const lines: unknown[] = []
    const note = (fields: object, message: string): void => void lines.push({ ...fields, message })
    const log = logListener({ debug: note, info: note, warn: note, error: note }, () => 0)
    const origin = { exchange: 'TGS', address: ADDRESS } as const
    const pair = { client: local('eve'), service: local('web'), rule: null }
    for (let i = 0; i < points + 7; i++) {
      log({ kind: 'ticket_granted', origin, ...pair, ticketId: systemRandom(16), endTime: 1 })
    }
    log({ kind: 'kdc_closed', realm: 'demo.example' })
    expect(lines.slice(points + 1)).toEqual([
      { requester: local('eve'), omitted: 7, message: expect.stringContaining('were not logged') },
      { realm: 'demo.example', message: 'KDC closed' },
    ])
  })
})

/** A login that fails unexpectedly, with an error that contains secrets. */
async function failedLogin(realm: TestRealm, client: Identity, secrets: object): Promise<void> {
  let broken = false
  const random = (length: number): Uint8Array => {
    if (broken) throw Object.assign(new Error('no entropy'), secrets)
    return systemRandom(length)
  }
  const dispatch = createDispatch({ ...realm.context, random })
  broken = true
  const answer = await login({ ...realm, dispatch }, client)
  expect(answer.error?.code).toBe('unavailable')
  expect(realm.logger.lines.at(-1)?.level).toBe('error')
}

import { describe, expect, it } from 'vitest'
import { concatBytes } from '../../../shared/bytes.js'
import { deriveAuthKey } from '../../../shared/crypto/derive.js'
import { LongTermKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import type { OrthrusError, WireCode } from '../../../shared/errors.js'
import {
  createAsReply,
  decodeAsRequest,
  type VerifiedAsRequest,
  verifyAsRequest,
} from '../../../shared/exchange/as.js'
import type { Reply } from '../../../shared/exchange/reply.js'
import { decodeTgsRequest } from '../../../shared/exchange/tgs.js'
import { openTicket } from '../../../shared/ticket/ticket.js'
import { HOUR, MINUTE, SECOND } from '../../../shared/time.js'
import { turns } from '../../support/turns.js'
import { type Asked, BILLING, KRBTGT, ORDERS, WEB } from '../fake-kdc.js'
import { failureOf, Setting } from '../setting.js'

async function prepare() {
  const setting = new Setting()
  return { setting, kdc: setting.kdc, time: setting.time, realm: await setting.connect() }
}

describe('KDC time', () => {
  it('is used for all stamps but the first, and is taken as of half the round trip', async () => {
    const { kdc, time, realm } = await prepare()
    kdc.ahead = 100 * SECOND
    kdc.intercept = (_, honest) => {
      time.pass(400)
      const reply = honest()
      time.pass(601)
      return reply
    }
    const start = time.now()
    await realm.getServiceTicket('orders')
    await realm.getServiceTicket('billing')
    expect(kdc.asked.map(asked => asked.time)).toEqual([start, start + 1001 + 100 * SECOND - 101])
  })

  it('follows the monotonic clock, whatever is done to the wall clock', async () => {
    const { kdc, time, realm } = await prepare()
    await realm.getServiceTicket('orders')
    const before = time.now()
    time.step(-5 * HOUR)
    kdc.ahead += 5 * HOUR
    time.pass(7 * SECOND)
    await realm.getServiceTicket('billing')
    expect(kdc.asked[1]?.time).toBe(before + 7 * SECOND)
  })

  it.each([
    { took: 2_000, asked: ['AS orders'] },
    { took: 2_001, asked: ['AS orders', 'AS orders'] },
  ])('is asked for again, once, if the login took $took ms', async ({ took, asked }) => {
    const { kdc, time, realm } = await prepare()
    kdc.intercept = (_, honest) => {
      const reply = honest()
      time.pass(took)
      return reply
    }
    expect(await realm.getServiceTicket('orders')).toMatchObject({ service: ORDERS })
    expect(kdc.log).toEqual(asked)
  })

  it('is taken from the slow answer if the second one fails', async () => {
    const { kdc, time, realm } = await prepare()
    kdc.intercept = (_, honest) => {
      if (kdc.asked.length > 1) return kdc.error('unavailable')
      time.pass(3_000)
      return honest()
    }
    expect(await realm.getServiceTicket('orders')).toMatchObject({ service: ORDERS })
    expect(kdc.log).toHaveLength(2)
  })

  it.each([-HOUR, HOUR])(
    'is corrected after a proved clock_skew of %d ms, and the question repeated',
    async ahead => {
      const { kdc, time, realm } = await prepare()
      kdc.ahead = ahead
      expect(await realm.getServiceTicket('orders')).toMatchObject({ service: ORDERS })
      expect(kdc.asked.map(asked => asked.time)).toEqual([time.now(), time.now() + ahead])
    },
  )

  it('is asked for a second time but not a third, and not taken from an unproved clock_skew', async () => {
    const { kdc, time, realm } = await prepare()
    kdc.intercept = ({ bytes }) => kdc.provedError('clock_skew', kdc.keyOf(WEB), decodeAsRequest(bytes).mac)
    expect(await failureOf(realm.getServiceTicket('orders'))).toMatchObject({
      code: 'clock_skew',
      final: false,
    })
    expect(kdc.log).toHaveLength(2)
    kdc.intercept = () => kdc.error('clock_skew')
    time.pass(2 * SECOND)
    expect(await failureOf(realm.getServiceTicket('orders'))).toMatchObject({
      code: 'clock_skew',
      facts: { claimed: 'clock_skew' },
    })
    expect(kdc.log).toHaveLength(3)
    const before = kdc.asked[2]?.time ?? 0
    kdc.ahead = HOUR
    time.pass(4 * SECOND)
    expect(await failureOf(realm.getServiceTicket('orders'))).toMatchObject({ code: 'clock_skew' })
    kdc.intercept = (_, honest) => honest()
    kdc.ahead = 0
    time.pass(8 * SECOND)
    await realm.getServiceTicket('orders')
    expect(kdc.asked.slice(3).map(asked => asked.time - before)).toEqual([4 * SECOND, 12 * SECOND])
  })
})

describe('a TGT that is no longer of use', () => {
  const tgsKey = (kdc: Setting['kdc'], bytes: Uint8Array) => {
    const request = decodeTgsRequest(bytes)
    return { key: deriveAuthKey(openTicket(request.tgt, kdc.keyOf(KRBTGT)).key, []), mac: request.mac }
  }
  const proved =
    (code: WireCode) =>
    (kdc: Setting['kdc'], { bytes }: Asked) => {
      const { key, mac } = tgsKey(kdc, bytes)
      return kdc.provedError(code, key, mac)
    }
  const forged = (code: WireCode) => (kdc: Setting['kdc']) => kdc.error(code)

  it.each([
    { name: '06 ticket_expired', refuse: proved('ticket_expired') },
    { name: '06 revoked', refuse: proved('revoked') },
    { name: '05 ticket_invalid', refuse: forged('ticket_invalid') },
    { name: '05 auth_failed', refuse: forged('auth_failed') },
  ])('leads to a new login for the tickets in use after $name', async ({ refuse }) => {
    const { kdc, realm } = await prepare()
    await realm.getServiceTicket('orders')
    kdc.intercept = (asked, honest) => (asked.exchange === 'TGS' ? refuse(kdc, asked) : honest())
    expect(await realm.getServiceTicket('billing')).toMatchObject({ service: BILLING })
    expect(kdc.log).toEqual(['AS orders', 'TGS billing', 'AS billing'])
  })

  it.each([
    {
      name: '06 principal_disabled',
      refuse: proved('principal_disabled'),
      code: 'principal_disabled',
      final: true,
    },
    { name: '06 caveat_failed', refuse: proved('caveat_failed'), code: 'caveat_failed', final: true },
    { name: '05 revoked', refuse: forged('revoked'), code: 'revoked', final: false },
    { name: '05 unavailable', refuse: forged('unavailable'), code: 'unavailable', final: false },
  ])('leads to no new login after $name', async ({ refuse, code, final }) => {
    const { kdc, realm } = await prepare()
    await realm.getServiceTicket('orders')
    kdc.intercept = (asked, honest) => (asked.exchange === 'TGS' ? refuse(kdc, asked) : honest())
    expect(await failureOf(realm.getServiceTicket('billing'))).toMatchObject({ code, final })
    expect(kdc.log).toEqual(['AS orders', 'TGS billing'])
  })

  it('leads to at most one login for each call', async () => {
    const { kdc, realm } = await prepare()
    await realm.getServiceTicket('orders')
    kdc.intercept = (asked, honest) => (asked.exchange === 'TGS' ? kdc.error('ticket_invalid') : honest())
    const cause = await failureOf(realm.getServiceTicket('billing', { lifetime: MINUTE }))
    expect(cause).toMatchObject({ code: 'ticket_invalid', final: false })
    expect(kdc.log).toEqual(['AS orders', 'TGS billing', 'AS', 'TGS billing'])
  })
})

describe('answers that are not from the KDC, or not to this request', () => {
  const reply = (kdc: Setting['kdc'], bytes: Uint8Array, change: (honest: Reply) => Reply) => {
    const request = decodeAsRequest(bytes)
    const key = kdc.keyOf(request.client)
    const grants = [kdc.grant(WEB, KRBTGT, HOUR), ...request.services.map(name => kdc.grant(WEB, name, HOUR))]
    const honest: Reply = { time: kdc.now(), grants, denials: [] }
    return createAsReply(key, verifyAsRequest(request, key), change(honest), systemRandom)
  }
  type Lie = (kdc: Setting['kdc'], asked: Asked, honest: () => Uint8Array) => Uint8Array
  const swapped = ({ grants: [tgt, first, second], ...rest }: Reply): Reply => ({
    ...rest,
    // The ticket of one with the key of the other: Kerberos 4's spliced halves.
    grants: [
      tgt,
      { ...first, ticket: second?.ticket },
      { ...second, ticket: first?.ticket },
    ] as Reply['grants'],
  })

  const lies: Record<string, Lie> = {
    'a reply to another client': (kdc, { bytes }) => {
      const request = decodeAsRequest(bytes)
      const key = new LongTermKey(systemRandom(32))
      const grants = [kdc.grant(WEB, KRBTGT, HOUR)]
      return createAsReply(
        key,
        request as VerifiedAsRequest,
        { time: kdc.now(), grants, denials: [] },
        systemRandom,
      )
    },
    'the halves of two tickets': (kdc, { bytes }) => reply(kdc, bytes, swapped),
    'tickets in another order': (kdc, { bytes }) =>
      reply(kdc, bytes, ({ grants: [tgt, a, b], ...rest }) => ({
        ...rest,
        grants: [tgt, b, a] as Reply['grants'],
      })),
    'a TGT too few': (kdc, { bytes }) =>
      reply(kdc, bytes, ({ grants, ...rest }) => ({ ...rest, grants: grants.slice(1) })),
    'a ticket too many': (kdc, { bytes }) =>
      reply(kdc, bytes, ({ grants, ...rest }) => ({
        ...rest,
        grants: [...grants, kdc.grant(WEB, ORDERS, HOUR)],
      })),
    'a denial that was not asked for': (kdc, { bytes }) =>
      reply(kdc, bytes, honest => ({ ...honest, denials: [{ service: WEB, code: 'policy_denied' }] })),
    'the request itself': (_kdc, { bytes }) => bytes,
    'a byte changed': (_kdc, _asked, honest) => {
      const changed = honest().slice()
      changed[40] = (changed[40] ?? 0) ^ 1
      return changed
    },
    'a byte more': (_kdc, _asked, honest) => concatBytes(honest(), new Uint8Array(1)),
    'nothing but a header': () => new Uint8Array([1, 2]),
    'another version': () => new Uint8Array([2, 2, 0]),
    'an error that somebody else proved': (kdc, { bytes }) =>
      kdc.provedError('principal_disabled', new LongTermKey(systemRandom(32)), decodeAsRequest(bytes).mac),
    'a proved error to another request': kdc =>
      kdc.provedError('principal_disabled', kdc.keyOf(WEB), new Uint8Array(32)),
  }

  it.each(Object.entries(lies))('%s', async (_name, lie) => {
    const { kdc, realm } = await prepare()
    kdc.intercept = (asked, honest) => lie(kdc, asked, honest)
    const wanted = ['orders', 'billing'].map(name => realm.getServiceTicket(name))
    const [cause, other] = await Promise.all(wanted.map(failureOf))
    expect(cause).toBe(other)
    expect(['auth_failed', 'malformed', 'unsupported_version']).toContain((cause as OrthrusError).code)
    expect((cause as OrthrusError).facts.claimed).toBeUndefined()
    expect((cause as OrthrusError).final).toBe(false)
    expect((cause as OrthrusError).message).toContain('check its URL')
    kdc.intercept = (_asked, honest) => honest()
    expect(await realm.getServiceTicket('orders')).toMatchObject({ service: ORDERS })
  })

  it.each(['AS', 'TGS'])('a reply to an earlier request, %s', async exchange => {
    const { kdc, time, realm } = await prepare()
    const kept: Record<string, Uint8Array> = {}
    await realm.getServiceTicket('gate')
    kdc.intercept = (asked, honest) => {
      if (asked.exchange !== exchange) return honest()
      kept[exchange] ??= honest()
      return kept[exchange]
    }
    const first = exchange === 'AS' ? 20 * HOUR : 0
    time.pass(first)
    expect(await realm.getServiceTicket('orders')).toMatchObject({ service: ORDERS })
    time.pass(first)
    const cause = await failureOf(realm.getServiceTicket('orders', { lifetime: HOUR }))
    expect(cause).toMatchObject({
      code: 'auth_failed',
      facts: { hint: expect.stringContaining('check its URL') },
    })
  })

  it('a ticket that lives longer than what was asked for', async () => {
    const { kdc, realm } = await prepare()
    const grant = kdc.grant.bind(kdc)
    kdc.grant = (client, service, life) => grant(client, service, service === ORDERS ? life + 1 : life)
    const cause = await failureOf(realm.getServiceTicket('orders', { lifetime: MINUTE }))
    expect(cause).toMatchObject({ code: 'malformed' })
  })

  it('no answer at all', async () => {
    const { kdc, time, realm } = await prepare()
    kdc.intercept = () => undefined
    const failure = failureOf(realm.getServiceTicket('orders'))
    await time.elapse(999)
    expect(kdc.log).toHaveLength(1)
    await time.elapse(1)
    expect(kdc.log).toHaveLength(2)
    await time.elapse(2 * SECOND)
    expect(await failure).toMatchObject({ code: 'unavailable', final: false })
    // It is asked once more in the background, and that keeps no process alive.
    expect(kdc.log).toHaveLength(3)
    await turns()
    expect(time.timers.held).toBe(0)
  })
})

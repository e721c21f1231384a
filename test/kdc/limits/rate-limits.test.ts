import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { DEFAULT_LIMITS, type Limits } from '../../../kdc/limits/defaults.js'
import { createRateLimits } from '../../../kdc/limits/rate-limits.js'
import { openUnauthenticatedError } from '../../../shared/encoding/error.js'
import { createParamsRequest } from '../../../shared/exchange/params.js'
import { HOUR } from '../../../shared/time.js'
import { ADDRESS, ask, grantOf, local, login, outcome, stranger, testRealm } from '../../support/realm.js'

const few = { points: 3, interval: HOUR }
const limited = (limits: Partial<Limits>) =>
  testRealm({ rates: createRateLimits({ ...DEFAULT_LIMITS, ...limits }) })
const OTHER = '198.51.100.7'

describe('rate limits', () => {
  it('stop logins from where too many failed, and nothing else', async () => {
    const realm = await limited({ failedLogins: few })
    const web = await realm.add('web')
    const tgt = grantOf(await login(realm, web))
    for (let i = 0; i < 3; i++) {
      expect(outcome(await login(realm, stranger('web@demo.example')))).toBe('05 auth_failed')
    }
    expect(outcome(await login(realm, web))).toBe('05 rate_limited')
    expect(outcome(await login(realm, web, {}, OTHER))).toBe('reply')
    expect(outcome(await ask(realm, tgt))).toBe('reply')
    const params = await realm.dispatch(createParamsRequest(local('web')), ADDRESS)
    expect(params[1]).toBe(0x0e)
  })

  it('do not count logins that succeed, nor those refused for another reason', async () => {
    const realm = await limited({ failedLogins: few })
    const web = await realm.add('web')
    for (let i = 0; i < 10; i++) {
      expect(outcome(await login(realm, web))).toBe('reply')
      expect(outcome(await login(realm, web, { time: 0 }))).toBe('06 clock_skew')
    }
  })

  it('count no login that they turned away: many at once, all of them right, leave the next theirs', async () => {
    const realm = await limited({ failedLogins: few })
    const web = await realm.add('web')
    const many = await Promise.all(Array.from({ length: 6 }, () => login(realm, web)))
    expect(many.map(outcome).sort()).toEqual([...Array(3).fill('05 rate_limited'), ...Array(3).fill('reply')])
    for (let i = 0; i < 5; i++) expect(outcome(await login(realm, web))).toBe('reply')
    const guesses = Array.from({ length: 5 }, () => login(realm, stranger('web@demo.example')))
    expect((await Promise.all(guesses)).map(outcome).sort()).toEqual([
      ...Array(3).fill('05 auth_failed'),
      ...Array(2).fill('05 rate_limited'),
    ])
    for (let i = 0; i < 5; i++) expect(outcome(await login(realm, web))).toBe('05 rate_limited')
  })

  it('let logins pass again when the interval ends, however many were turned away in it', async () => {
    vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const limits = createRateLimits({ ...DEFAULT_LIMITS, failedLogins: few })
    const passes = () =>
      limits.requireLogin(ADDRESS).then(
        () => true,
        () => false,
      )
    for (let i = 0; i < 3; i++) expect(await passes()).toBe(true)
    vi.advanceTimersByTime(HOUR - 1)
    for (let i = 0; i < 5; i++) expect(await passes()).toBe(false)
    vi.advanceTimersByTime(1)
    for (let i = 0; i < 3; i++) expect(await passes()).toBe(true)
    expect(await passes()).toBe(false)
  })

  it('stop PARAMS requests from one address', async () => {
    const { dispatch } = await limited({ params: few })
    const request = createParamsRequest(local('web'))
    for (let i = 0; i < 3; i++) expect((await dispatch(request, ADDRESS))[1]).toBe(0x0e)
    expect(openUnauthenticatedError(await dispatch(request, ADDRESS)).code).toBe('rate_limited')
    expect((await dispatch(request, OTHER))[1]).toBe(0x0e)
  })

  it('stop one client, authenticated, and leave the others theirs', async () => {
    const realm = await limited({ requestsPerClient: few })
    const web = await realm.add('web')
    const other = await realm.add('other')
    const tgt = grantOf(await login(realm, web))
    expect(outcome(await ask(realm, tgt))).toBe('reply')
    expect(outcome(await ask(realm, tgt))).toBe('reply')
    expect(outcome(await ask(realm, tgt))).toBe('reply')
    expect(outcome(await ask(realm, tgt))).toBe('06 rate_limited')
    expect(outcome(await ask(realm, grantOf(await login(realm, other))))).toBe('reply')
  })

  it('keep logins, which anybody can repeat, from using up what the holder of a ticket has', async () => {
    const realm = await limited({ requestsPerClient: few })
    const web = await realm.add('web')
    const tgt = grantOf(await login(realm, web))
    for (let i = 0; i < 2; i++) expect(outcome(await login(realm, web))).toBe('reply')
    expect(outcome(await login(realm, web))).toBe('06 rate_limited')
    expect(outcome(await ask(realm, tgt))).toBe('reply')
  })

  it('count nothing of who was removed or disabled', async () => {
    const realm = await limited({ requestsPerClient: few })
    const web = await realm.add('web')
    const tgt = grantOf(await login(realm, web))
    await realm.call('remove', [web.principal])
    const again = await realm.add('web')
    for (let i = 0; i < 5; i++) expect(outcome(await ask(realm, tgt))).toBe('06 revoked')
    const time = realm.realm.time.now()
    expect(outcome(await ask(realm, grantOf(await login(realm, again, { time })), { time }))).toBe('reply')
  })

  it('do not let old requests, or those of others, use up what a client has', async () => {
    const realm = await limited({ requestsPerClient: few })
    const web = await realm.add('web')
    for (let i = 0; i < 5; i++) {
      await login(realm, web, { time: 0 })
      await login(realm, stranger('web@demo.example'))
    }
    expect(outcome(await login(realm, web))).toBe('reply')
  })
})

import { describe, expect, it } from 'vitest'
import { type Caller, requireCaller } from '../../../kdc/admin/role.js'
import { DAY, MINUTE } from '../../../shared/time.js'
import { administrator, callerOf, local, START } from '../../support/realm.js'

const admin = administrator(local('admin'))
const anybody = callerOf(local('web'))
const caveat = { name: 'expires', time: START + MINUTE } as const
const deputy = local('deputy')
const since = (milliseconds: number) => callerOf(local('web'), START + milliseconds)
const aged = (caller: Caller): Caller => ({ ...caller, ticket: { authTime: START - DAY } })

describe('who may call a method', () => {
  it.each([
    ['of administrators, an administrator', 'administrators', admin, true],
    ['of administrators, an administrator by a delegate', 'administrators', { ...admin, via: deputy }, true],
    ['of administrators, anybody else', 'administrators', anybody, false],
    ['of administrators, the process of the KDC', 'administrators', undefined, true],
    ['about itself, any principal', 'itself', anybody, true],
    ['about itself, an administrator', 'itself', admin, true],
    ['about itself, a delegate in its name', 'itself', { ...anybody, via: deputy }, false],
    ['of anybody, a principal', 'anybody', anybody, true],
    ['of anybody, a delegate', 'anybody', { ...anybody, via: deputy }, true],
    ['of anybody, the process of the KDC, which has no channel', 'anybody', undefined, false],
    ['about itself, the process of the KDC, which is no principal', 'itself', undefined, false],
    ['about itself, with a caveat', 'itself', { ...anybody, caveats: [caveat] }, false],
    ['of anybody, with a caveat', 'anybody', { ...anybody, caveats: [caveat] }, true],
    ['about itself, after a login 5 minutes ago', 'itself', since(-5 * MINUTE), true],
    ['about itself, after one a millisecond before that', 'itself', since(-5 * MINUTE - 1), false],
    ['about itself, after a login at a KDC a minute ahead', 'itself', since(MINUTE), true],
    ['about itself, after one a millisecond later', 'itself', since(MINUTE + 1), false],
    ['about itself, an administrator, after an old login', 'itself', aged(admin), false],
    ['of anybody, after an old login', 'anybody', aged(anybody), true],
    ['of administrators, after an old login', 'administrators', aged(admin), true],
  ] as const)('%s: %#', (_, callers, caller, may) => {
    const ask = (): void => requireCaller(callers, caller, START)
    if (may) expect(ask).not.toThrow()
    else expect(ask).toThrow(expect.objectContaining({ code: 'not_authorized' }))
  })

  it('says whether the claim is missing or withheld', () => {
    expect(() => requireCaller('administrators', anybody, START)).toThrow(
      /does not have the claim role=admin/,
    )
    const withheld = { ...anybody, claimsWithheld: true }
    expect(() => requireCaller('administrators', withheld, START)).toThrow(
      expect.objectContaining({
        facts: expect.objectContaining({ hint: expect.stringContaining('withholds') }),
      }),
    )
  })
})

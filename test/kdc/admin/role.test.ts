import { describe, expect, it } from 'vitest'
import { requireCaller } from '../../../kdc/admin/role.js'
import { administrator, local } from '../../support/realm.js'

const admin = administrator(local('admin'))
const anybody = { ...admin, client: local('web'), claims: [] }
const deputy = local('deputy')

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
  ] as const)('%s: %#', (_, callers, caller, may) => {
    const ask = (): void => requireCaller(callers, caller)
    if (may) expect(ask).not.toThrow()
    else expect(ask).toThrow(expect.objectContaining({ code: 'not_authorized' }))
  })

  it('says whether the claim is missing or withheld', () => {
    expect(() => requireCaller('administrators', anybody)).toThrow(/does not have the claim role=admin/)
    const withheld = { ...anybody, claimsWithheld: true }
    expect(() => requireCaller('administrators', withheld)).toThrow(
      expect.objectContaining({
        facts: expect.objectContaining({ hint: expect.stringContaining('withholds') }),
      }),
    )
  })
})

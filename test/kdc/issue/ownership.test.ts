import { describe, expect, it } from 'vitest'
import {
  type Authority,
  authorityIn,
  covers,
  coversStored,
  EVERYTHING,
  isAdministrator,
  mayAdminister,
  mayReadAuditOf,
  narrower,
  ownable,
  requireNoMoreThan,
} from '../../../kdc/issue/ownership.js'
import { encodeGroupChange } from '../../../shared/administration/groups.js'
import { EVERYONE, type Pattern, patternIn } from '../../../shared/pattern.js'
import { kdcService } from '../../../shared/principal.js'
import type { Claims } from '../../../shared/ticket/claims.js'
import { local, REALM, testRealm } from '../../support/realm.js'

/** Who may administer what: `attacks/owners.test.ts` has what the KDC makes of it. */

const pattern = (text: string): Pattern => patternIn(REALM, text)
const of = (...texts: string[]): Authority => ({ everything: false, services: texts.map(pattern) })
const NOTHING = of()

/** Claims that are not those of an administrator, each by a little. */
const NEARLY: readonly Claims[] = [
  [],
  [['role', 'reader']],
  [['role', 'Admin']],
  [['roles', 'admin']],
  [['name', 'admin']],
  [['role', ['admin']]],
  [
    ['role', 'reader'],
    ['name', 'admin'],
  ],
]

describe('an administrator', () => {
  it('has the claim role=admin', () => {
    expect(isAdministrator([['role', 'admin']])).toBe(true)
    const besides: Claims = [
      ['name', 'Ann'],
      ['role', 'admin'],
    ]
    expect(isAdministrator(besides)).toBe(true)
    expect(authorityIn(besides, REALM)).toEqual(EVERYTHING)
  })

  it.each(NEARLY.map(claims => [claims]))('is nobody by other claims: %j', claims => {
    expect(isAdministrator(claims)).toBe(false)
    expect(mayAdminister(claims)).toBe(false)
    expect(authorityIn(claims, REALM)).toEqual(NOTHING)
  })
})

describe('an owner', () => {
  it('has what the claim names, and nothing for any other claim', () => {
    const claims: Claims = [
      ['name', 'billing'],
      ['owner', ['orders', '@backend', 'web/*']],
    ]
    expect(mayAdminister(claims)).toBe(true)
    expect(authorityIn(claims, REALM)).toEqual(of('orders', '@backend', 'web/*'))
    expect(authorityIn([['owner', 'orders']], REALM)).toEqual(of('orders'))
  })

  it('has nothing by a name that no service can have', () => {
    for (const value of ['*', 'kdc', 'krbtgt', 'krbtgt/*', 'UPPER CASE', '', 7, true, ['*', 8]]) {
      expect(authorityIn([['owner', value as Claims[number][1]]], REALM), JSON.stringify(value)).toEqual(
        NOTHING,
      )
    }
    expect(ownable('orders', REALM)).toBe(pattern('orders'))
    expect(ownable('invite-0123456789abcdef', REALM)).toBeUndefined()
  })

  it('covers the principals that its patterns name, those of its groups, and no pattern but its own', () => {
    const owner = of('orders', 'web/*', '@backend')
    expect(covers(owner, pattern('orders'))).toBe(true)
    expect(covers(owner, pattern('web/1'))).toBe(true)
    expect(covers(owner, pattern('web/*'))).toBe(true)
    expect(covers(owner, pattern('@backend'))).toBe(true)
    expect(covers(owner, pattern('billing'))).toBe(false)
    expect(covers(owner, pattern('billing'), [pattern('@backend')])).toBe(true)
    expect(covers(owner, pattern('billing'), [pattern('@frontend')])).toBe(false)
    expect(covers(owner, pattern('orders/*'))).toBe(false)
    expect(covers(owner, EVERYONE)).toBe(false)
    expect(mayReadAuditOf(owner, local('web/1'))).toBe(true)
    expect(mayReadAuditOf(owner, local('web'))).toBe(false)
  })

  it('covers neither everyone, nor the KDC, nor an invitation, whatever it was given', () => {
    const kdc = kdcService(REALM) as string as Pattern
    const invitation = pattern('invite-0123456789abcdef')
    const given: Authority = { everything: false, services: [EVERYONE, kdc, invitation] }
    for (const one of [EVERYONE, kdc, invitation, pattern('orders')]) expect(covers(given, one)).toBe(false)
    expect(covers(EVERYTHING, kdc)).toBe(true)
  })
})

describe('what two authorities both give', () => {
  it('is no more than either', () => {
    expect(narrower(EVERYTHING, of('orders'))).toEqual(of('orders'))
    expect(narrower(of('orders'), EVERYTHING)).toEqual(of('orders'))
    expect(narrower(of('orders', 'web'), of('web', 'billing'))).toEqual(of('web'))
    expect(narrower(of('orders'), of('billing'))).toEqual(NOTHING)
    expect(narrower(EVERYTHING, EVERYTHING)).toEqual(EVERYTHING)
  })
})

describe('what the store says', () => {
  it('of the groups of a service counts for who owns a group, beside other things', async () => {
    const realm = await testRealm()
    await realm.add('billing')
    await realm.call(
      'group-add',
      encodeGroupChange({ group: pattern('@backend'), principals: [local('billing')] }),
    )
    expect(await coversStored(realm.realm, of('orders', '@backend'), pattern('billing'))).toBe(true)
    expect(await coversStored(realm.realm, of('orders', '@frontend'), pattern('billing'))).toBe(false)
    expect(await coversStored(realm.realm, of('orders'), pattern('billing'))).toBe(false)
  })

  it('of the rights of who gets a key is refused to an owner with less of them', async () => {
    const realm = await testRealm()
    const refused = (authority: Authority, target: string): Promise<string> =>
      requireNoMoreThan(realm.realm, authority, pattern(target), realm.clock.now()).then(
        () => 'no',
        ({ code }) => code,
      )
    for (const name of ['plain', 'root', 'clerk', 'denied']) await realm.add(name)
    await realm.allow('root', 'kdc', { claims: [['role', 'admin']] })
    await realm.allow('clerk', 'kdc', { claims: [['owner', ['orders', 'billing']]] })
    await realm.allow('web/*', 'kdc', { claims: [['owner', 'orders']] })
    await realm.deny('denied', 'kdc')
    expect(await refused(of(), 'plain')).toBe('no')
    expect(await refused(of(), 'denied')).toBe('no')
    expect(await refused(of('root', 'orders'), 'root')).toBe('not_authorized')
    expect(await refused(of('orders'), 'clerk')).toBe('not_authorized')
    expect(await refused(of('orders', 'billing'), 'clerk')).toBe('no')
    expect(await refused(of('web/*'), 'web/*')).toBe('not_authorized')
    expect(await refused(of('web/*', 'orders'), 'web/*')).toBe('no')
    expect(await refused(EVERYTHING, 'root')).toBe('no')
    // A rule for everyone is one for each host of a fleet.
    await realm.allow('*', 'kdc', { claims: [['owner', 'secrets']] })
    expect(await refused(of('web/*', 'orders'), 'web/*')).toBe('not_authorized')
  })
})

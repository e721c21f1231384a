import { describe, expect, it } from 'vitest'
import { ownContext } from '../../../kdc/admin/context.js'
import { callMethod } from '../../../kdc/admin/methods.js'
import type { Caller, Callers } from '../../../kdc/admin/role.js'
import {
  ADMIN_METHODS,
  CONCERNED_METHODS,
  INVITATION_METHODS,
  OWN_METHODS,
  OWNER_METHODS,
} from '../../../shared/administration/methods.js'
import { OrthrusError } from '../../../shared/errors.js'
import { FEED_METHODS } from '../../../shared/revocation/feed.js'
import { MINUTE } from '../../../shared/time.js'
import { administrator, callerOf, local, START, testRealm } from '../../support/realm.js'

/** Every method of `kdc@realm` with every role. What is refused is told no more than that. */

const web = local('web')
const invitation = local('invite-0123456789abcdef')
const onlyKdc = { name: 'services', services: [local('kdc')] } as const
const ends = { name: 'expires', time: START + MINUTE } as const
const admin = administrator(local('admin'))
const invited: Caller = { ...callerOf(invitation), caveats: [onlyKdc] }

const ROLES: readonly [name: string, caller: Caller, may: readonly Callers[]][] = [
  ['a principal', callerOf(web), ['itself', 'anybody', 'concerned']],
  ['a principal after an old login', callerOf(web, START - 6 * MINUTE), ['anybody', 'concerned']],
  ['a principal with a narrowed ticket', { ...callerOf(web), caveats: [ends] }, ['anybody', 'concerned']],
  ['a principal with a part of a TGT', { ...callerOf(web), caveats: [onlyKdc] }, ['anybody', 'concerned']],
  ['a delegate of a principal', { ...callerOf(web), via: local('gate') }, ['anybody', 'concerned']],
  ['another role', { ...callerOf(web), claims: [['role', 'reader']] }, ['itself', 'anybody', 'concerned']],
  ['an administrator', admin, ['administrators', 'owners', 'itself', 'anybody', 'concerned']],
  [
    'an administrator after an old login',
    { ...admin, ticket: { authTime: START - 6 * MINUTE } },
    ['administrators', 'owners', 'anybody', 'concerned'],
  ],
  [
    'an administrator with a narrowed ticket',
    { ...admin, caveats: [ends] },
    ['administrators', 'owners', 'anybody', 'concerned'],
  ],
  [
    'an administrator whose claims a caveat withholds',
    { ...admin, claims: [], claimsWithheld: true, caveats: [{ name: 'claims', claims: [] }] },
    ['anybody', 'concerned'],
  ],
  [
    'a delegate of an administrator',
    { ...admin, via: local('gate') },
    ['administrators', 'owners', 'anybody', 'concerned'],
  ],
  [
    'an owner',
    { ...callerOf(web), claims: [['owner', 'orders']] },
    ['owners', 'itself', 'anybody', 'concerned'],
  ],
  ['an invitation', invited, ['invitation']],
  ['an invitation after an old login', { ...invited, ticket: { authTime: START - 6 * MINUTE } }, []],
  ['an invitation with a narrowed ticket', { ...invited, caveats: [onlyKdc, ends] }, []],
  [
    'an invitation that a rule for everyone made an administrator',
    { ...invited, claims: admin.claims },
    ['invitation'],
  ],
  ['a delegate of an invitation', { ...invited, via: web }, []],
  ['an invitation as a delegate', { ...callerOf(web), via: invitation }, []],
  ['an invitation as a delegate of an administrator', { ...admin, via: invitation }, []],
]

const OWNED: ReadonlySet<string> = new Set(OWNER_METHODS)
const METHODS: readonly (readonly [callers: Callers, names: readonly string[]])[] = [
  [
    'administrators',
    [...ADMIN_METHODS.filter(name => !OWNED.has(name)), 'nonsense', '__proto__', 'constructor', ''],
  ],
  ['owners', OWNER_METHODS],
  ['itself', OWN_METHODS],
  ['anybody', FEED_METHODS],
  ['invitation', INVITATION_METHODS],
  ['concerned', CONCERNED_METHODS],
]

describe('every method', () => {
  it.each(ROLES)('of %s', async (_, caller, may) => {
    const realm = await testRealm()
    const context = { ...ownContext(realm.realm, realm.context.report), caller }
    const outcomes: [string, string][] = []
    const expected: [string, string][] = []
    for (const [callers, names] of METHODS) {
      for (const name of names) {
        // No method takes nine numbers, so whoever may call it is told that it is malformed.
        const answer = callMethod(context, name, Array(9).fill(7))
        outcomes.push([name, await answer.then(() => 'done', codeOf)])
        expected.push([name, may.includes(callers) ? 'malformed' : 'not_authorized'])
      }
    }
    expect(outcomes).toEqual(expected)
    expect(outcomes.length).toBe(46)
  })
})

function codeOf(cause: unknown): string {
  if (cause instanceof OrthrusError) return cause.code
  throw cause
}

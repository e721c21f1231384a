import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { administrationOf } from '../../../client/admin.js'
import { connect } from '../../../client/connect.js'
import { startKdc } from '../../../kdc/main.js'
import { decideFromCurrent } from '../../../kdc/realm/decide.js'
import { Vault } from '../../../kdc/vault/vault.js'
import { decodeAuditLine } from '../../../shared/administration/audit-line.js'
import type { AdministrationMethod } from '../../../shared/administration/methods.js'
import { NO_LIMITS } from '../../../shared/administration/principals.js'
import { encodePolicyRule } from '../../../shared/administration/rules.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import type { Value } from '../../../shared/encoding/encoding.js'
import { openUnauthenticatedError } from '../../../shared/encoding/error.js'
import { createParamsRequest } from '../../../shared/exchange/params.js'
import { formatKeytab } from '../../../shared/keytab/keytab.js'
import { temporaryFolder } from '../../end-to-end/processes.js'
import { failureOf } from '../../support/failure.js'
import { TestLogger } from '../../support/logger.js'
import { ADDRESS, ask, grantOf, local, login, outcome, ruleOf, testRealm } from '../../support/realm.js'
import { sharedStore } from '../../support/shared-store.js'

/** What a KDC does that shares its store with others, as far as it does not depend on the store. */

async function scene() {
  const { store, replica } = sharedStore()
  const realm = await testRealm({ store })
  await realm.add('orders')
  await realm.allow('*', 'orders')
  const web = await realm.add('web')
  return { realm, replica, web, services: [local('orders')] }
}

describe('a KDC that may not have seen all changes', () => {
  it('grants nothing and refuses nobody: every question is unavailable', async () => {
    const { realm, replica, web, services } = await scene()
    const tgt = grantOf(await login(realm, web))
    replica.current = false
    expect(outcome(await login(realm, web, { services }))).toBe('05 unavailable')
    expect(outcome(await login(realm, { ...web, kvno: 7 }))).toBe('05 unavailable')
    expect(outcome(await ask(realm, tgt, { services }))).toBe('05 unavailable')
    const params = await realm.dispatch(createParamsRequest(web.principal), ADDRESS)
    expect(openUnauthenticatedError(params).code).toBe('unavailable')
    replica.current = true
    expect(outcome(await ask(realm, tgt, { services }))).toBe('reply')
  })

  it.each(['before it seals', 'while it seals'])('grants nothing if it notices %s', async when => {
    const { realm, replica, web, services } = await scene()
    let questions = 0
    // The first one is asked when the request comes, the second before the seal, the third behind it.
    const lost = when === 'before it seals' ? 2 : 3
    replica.asked = () => {
      questions += 1
      replica.current = questions < lost
    }
    expect(outcome(await login(realm, web, { services }))).toBe('06 unavailable')
    expect(questions).toBe(lost)
  })

  it('seals what it decides, as long as it has', async () => {
    const { realm, replica } = await scene()
    const look = () =>
      decideFromCurrent(
        realm.realm.directory,
        view => view.principal(local('web')),
        () => 'sealed',
      )
    await expect(look()).resolves.toBe('sealed')
    replica.current = false
    await expect(look()).rejects.toMatchObject({ code: 'unavailable', reason: 'behind' })
  })

  it('does not say that the revocation log is all there is', async () => {
    const { realm, replica } = await scene()
    const { revocations } = realm.realm
    await revocations.current()
    expect(revocations.isCurrent).toBe(true)
    replica.current = false
    expect(revocations.isCurrent).toBe(false)
    await expect(revocations.current()).rejects.toMatchObject({ code: 'unavailable', reason: 'behind' })
  })
})

describe('an acknowledgement', () => {
  const name = local('web')
  const rule = encodePolicyRule(ruleOf('web', 'orders'))
  const TAKES: readonly (readonly [AdministrationMethod, readonly Value[]])[] = [
    ['disable', [name]],
    ['remove', [name]],
    ['revoke-client', [name]],
    ['revoke-key', [name]],
    ['replace-key', [name]],
    ['revoke-ticket', [new Uint8Array(16), null]],
    ['allow', rule],
    ['deny', encodePolicyRule(ruleOf('web', 'orders', { effect: 'deny' }))],
    ['forget', ['*', local('orders')]],
    ['group-add', ['@ops', [name]]],
    ['rotate', [local('krbtgt')]],
  ]
  const GRANTS: readonly (readonly [AdministrationMethod, readonly Value[]])[] = [
    ['enable', [name]],
    ['rotate', [name]],
  ]

  it.each(TAKES)('of %s waits until no KDC answers from what was before', async (method, args) => {
    const { realm, replica } = await scene()
    let settle: (put: readonly string[]) => void = () => {}
    replica.settling = () =>
      new Promise(resolve => {
        settle = resolve
      })
    const before = replica.settledFor
    let isAnswered = false
    const call = realm.call(method, args).then(() => {
      isAnswered = true
    })
    while (replica.settledFor === before) await new Promise(setImmediate)
    await new Promise(setImmediate)
    expect(isAnswered).toBe(false)
    settle([])
    await call
  })

  it.each(GRANTS)('of %s waits for nobody', async (method, args) => {
    const { realm, replica } = await scene()
    replica.settling = () => new Promise(() => {})
    const before = replica.settledFor
    await realm.call(method, args)
    expect(replica.settledFor).toBe(before)
  })

  it('is not given if that cannot be found out, and other changes need not wait for it', async () => {
    const { realm, replica } = await scene()
    let fail: (cause: Error) => void = () => {}
    replica.settling = () =>
      new Promise((_, reject) => {
        fail = reject
      })
    const disabling = failureOf(realm.call('disable', [name]))
    await realm.add('other')
    fail(new Error('etcd is away'))
    await expect(disabling).resolves.toMatchObject({ message: 'etcd is away' })
    expect((await realm.record('web')).disabled).toBe(true)
    expect(realm.logger.lines.at(-1)?.message).toBe(
      'administration: a change failed, and may have been stored',
    )
  })

  it('waits also where there was nothing to change: another KDC may have made it a moment ago', async () => {
    const { realm, replica } = await scene()
    await realm.call('revoke-ticket', [new Uint8Array(16), null])
    const before = replica.settledFor
    await realm.call('revoke-ticket', [new Uint8Array(16), null])
    expect(replica.settledFor).toBe(before + 1)
  })
})

describe('what it writes', () => {
  it('names it in each line of its log and of its audit log', async () => {
    const { store, replica } = sharedStore()
    const { masterKey, clock } = await testRealm({ store })
    const { folder: directory, remove } = await temporaryFolder()
    onTestFinished(remove)
    const logger = new TestLogger()
    const kdc = await startKdc({
      ...{ store, masterKey, clock, timers: clock, logger },
      listen: { port: 0 },
      audit: { directory },
    })
    await kdc.administration.call('revoke-ticket', [new Uint8Array(16), null])
    await kdc.close()
    expect(logger.lines.length).toBeGreaterThan(2)
    for (const { fields } of logger.lines) expect(fields).toMatchObject({ replica: replica.id })
    const lines = (await readFile(join(directory, 'audit-000000000001.jsonl'), 'utf8')).trimEnd().split('\n')
    expect(lines.length).toBeGreaterThan(3)
    for (const line of lines) expect(decodeAuditLine(line).replica).toBe(replica.id)
  })
})

describe('an administrator', () => {
  it('is told which KDC did not apply a change in time, and lost its place', async () => {
    const { store, replica } = sharedStore()
    const { masterKey, clock, admin } = await testRealm({ store })
    const kdc = await startKdc({ store, masterKey, clock, timers: clock, listen: { port: 0 } })
    onTestFinished(() => kdc.close())
    const keytab = { text: formatKeytab([{ ...admin, principal: local('admin') }]) }
    const client = await connect({ kdc: kdc.url, keytab, clock, timers: clock })
    const warnings: string[] = []
    const administration = administrationOf(
      client,
      () => client.close(),
      warning => warnings.push(warning),
    )
    onTestFinished(() => administration.close())
    const principal = local('web')
    await administration.add({ principal, password: null, ...NO_LIMITS })
    replica.settling = async () => ['5ca1ab1e']
    await administration.disable(principal)
    expect(warnings).toEqual([expect.stringContaining('the KDC 5ca1ab1e did not apply the change in time')])
  })

  it('cannot have one of several KDCs change the master key for all of them', async () => {
    const { store } = sharedStore()
    const { masterKey } = await testRealm({ store })
    const failure = await failureOf(new Vault(store, masterKey, systemRandom).beginRotation())
    expect(failure).toMatchObject({
      code: 'malformed',
      facts: { hint: expect.stringContaining('one after the other') },
    })
  })
})

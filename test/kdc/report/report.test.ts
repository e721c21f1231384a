import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { ownContext } from '../../../kdc/admin/context.js'
import { callMethod } from '../../../kdc/admin/methods.js'
import { createDispatch } from '../../../kdc/exchange/dispatch.js'
import type { KdcEvent } from '../../../kdc/report/events.js'
import { describeFailure } from '../../../kdc/report/failure.js'
import { logListener } from '../../../kdc/report/log.js'
import { createReport, type Listener, type Report } from '../../../kdc/report/report.js'
import { encodeNewPrincipal, NO_LIMITS } from '../../../shared/administration/principals.js'
import { encodePolicyRule } from '../../../shared/administration/rules.js'
import { revealKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { TestLogger } from '../../support/logger.js'
import {
  ADDRESS,
  administrator,
  ask,
  grantOf,
  local,
  login,
  outcome,
  ruleOf,
  START,
  stranger,
  type TestRealm,
  testRealm,
} from '../../support/realm.js'

const EVENT: KdcEvent = { kind: 'kdc_closed', realm: 'demo.example' }

/** A realm that tells the listeners what it does. */
async function heard(...listeners: Listener[]): Promise<TestRealm & { report: Report }> {
  const realm = await testRealm()
  const report = createReport(listeners)
  const dispatch = createDispatch({ ...realm.context, report })
  const admin = { ...ownContext(realm.realm, report), caller: administrator(realm.admin.principal) }
  return { ...realm, report, dispatch, call: (method, args) => callMethod(admin, method, args) }
}

const NEW = { password: null, ...NO_LIMITS }

describe('a report', () => {
  it('reaches every listener in order, whatever the earlier ones do', () => {
    const told: string[] = []
    const fails = (): never => {
      throw new Error('no room')
    }
    const report = createReport([
      () => void told.push('one'),
      fails,
      async () => fails(),
      () => void told.push('two'),
    ])
    report.tell(EVENT)
    expect(told).toEqual(['one', 'two'])
  })

  it('that is recorded waits for every listener, and fails if one fails', async () => {
    const told: string[] = []
    const slow: Listener = async () => {
      await new Promise(setImmediate)
      told.push('slow')
    }
    await createReport([slow, () => void told.push('quick')]).record(EVENT)
    expect(told).toEqual(['quick', 'slow'])
    const failing = createReport([() => Promise.reject(new Error('no room')), slow])
    await expect(failing.record(EVENT)).rejects.toThrow('no room')
    expect(told).toEqual(['quick', 'slow', 'slow'])
  })
})

describe('an administrator', () => {
  it('is answered when every listener has written the change down, and never before', async () => {
    const steps: string[] = []
    let finish = (): void => {}
    const audit: Listener = ({ kind }) => {
      if (kind !== 'record_changed') return undefined
      return new Promise<void>(resolve => {
        finish = resolve
        steps.push('told')
      })
    }
    const realm = await heard(audit)
    const adding = realm.call('add', encodeNewPrincipal({ principal: local('web'), ...NEW }))
    void adding.then(() => steps.push('answered'))
    await expect.poll(() => steps).toEqual(['told'])
    expect((await realm.record('web')).name).toBe(local('web'))
    await new Promise(setImmediate)
    steps.push('written')
    finish()
    await adding
    expect(steps).toEqual(['told', 'written', 'answered'])
  })

  it('changes nothing that could not be written down before', async () => {
    const kinds: string[] = []
    const realm = await heard(({ kind }) => {
      kinds.push(kind)
      return kind === 'record_changing' ? Promise.reject(new Error('no room')) : undefined
    })
    const before = await realm.vault.list('principal', { limit: 100 })
    const adding = realm.call('add', encodeNewPrincipal({ principal: local('web'), ...NEW }))
    await expect(adding).rejects.toThrow('no room')
    expect(kinds).toEqual(['record_changing'])
    expect(await realm.vault.list('principal', { limit: 100 })).toEqual(before)
  })

  it('is refused if the change could not be written down, so that none goes unnoticed', async () => {
    const realm = await heard(event =>
      event.kind === 'record_changed' ? Promise.reject(new Error('no room')) : undefined,
    )
    const adding = realm.call('add', encodeNewPrincipal({ principal: local('web'), ...NEW }))
    await expect(adding).rejects.toThrow('no room')
  })
})

describe('events', () => {
  it('say what was changed, and by whom', async () => {
    const events: KdcEvent[] = []
    const realm = await heard(event => void events.push(event))
    const rule = ruleOf('web', 'orders', { claims: [['role', 'clerk']] })
    await realm.call('add', encodeNewPrincipal({ principal: local('web'), ...NEW, maxLife: 5 }))
    await realm.call('allow', encodePolicyRule(rule))
    await realm.call('forget', [rule.client, rule.service])
    for (const method of ['disable', 'enable', 'remove'] as const) await realm.call(method, [local('web')])
    await realm.call('show', [realm.admin.principal])
    await realm.call('list', [null, 3])
    const by = [realm.admin.principal]
    const changed = (change: object) => ({ kind: 'record_changed', by, change })
    const announced = events.filter(({ kind }) => kind === 'record_changing')
    const made = events.filter(({ kind }) => kind === 'record_changed')
    expect(announced.map(event => ({ ...event, kind: 'record_changed' }))).toEqual(made)
    expect(events.filter(event => !announced.includes(event))).toEqual([
      changed({
        method: 'add',
        principal: local('web'),
        kvno: 1,
        passwordBased: false,
        expiresAt: null,
        maxLife: 5,
        maxRenew: null,
      }),
      changed({ method: 'allow', rule }),
      changed({ method: 'forget', client: rule.client, service: rule.service }),
      ...['disable', 'enable', 'remove'].map(method => changed({ method, principal: local('web') })),
      { kind: 'records_read', by, method: 'show', on: by },
      { kind: 'records_read', by, method: 'list', on: [] },
    ])
  })

  it('are plain values without a secret, and say from where each request came', async () => {
    const events: KdcEvent[] = []
    const realm = await heard(event => void events.push(event))
    const web = await realm.add('web')
    const tgt = grantOf(await login(realm, web, { services: [local('ghost')] }))
    await ask(realm, tgt, { time: 0 })
    expect(outcome(await login(realm, stranger('web@demo.example')))).toBe('05 auth_failed')
    expect(events.map(({ kind }) => kind)).toEqual([
      'ticket_granted',
      'ticket_denied',
      'request_refused',
      'request_refused',
    ])
    const origin = { exchange: 'AS', client: web.principal, address: ADDRESS }
    const { ticketId, endTime } = tgt
    expect(events[0]).toEqual({
      kind: 'ticket_granted',
      origin,
      client: web.principal,
      service: local('krbtgt'),
      rule: null,
      ticketId,
      endTime,
    })
    expect(events[1]).toMatchObject({ origin, service: local('ghost'), rule: null, code: 'policy_denied' })
    expect(events[2]).toMatchObject({ origin: { ...origin, exchange: 'TGS' }, facts: { expected: START } })
    expect(events[3]).toMatchObject({ origin: { address: ADDRESS }, code: 'auth_failed' })
    // A copy contains only plain values.
    expect(structuredClone(events)).toEqual(events)
    const shown = inspect(events, { depth: 20, showHidden: true })
    for (const key of [web.key, tgt.key])
      expect(shown).not.toContain(Buffer.from(revealKey(key)).toString('hex'))
  })
})

describe('which rule of policy decided', () => {
  it('is told with each ticket granted and denied', async () => {
    const events: KdcEvent[] = []
    const logger = new TestLogger()
    const log = logListener(logger, () => 0)
    const realm = await heard(event => void events.push(event), log)
    const [web] = [await realm.add('web/1'), await realm.add('orders'), await realm.add('stock')]
    await realm.allow('web/*', 'orders')
    await realm.allow('web/1', 'ghost')
    await realm.allow('web/1', 'stock')
    await realm.deny('*', 'stock')
    await login(realm, web, { services: ['orders', 'ghost', 'stock', 'kdc', 'web/1'].map(local) })
    const told = events.map(event => 'rule' in event && [event.kind, event.service, event.rule])
    const allow = (client: string, service: string) => expect.objectContaining(ruleOf(client, service))
    expect(told.filter(Array.isArray)).toEqual([
      ['ticket_granted', local('krbtgt'), null],
      ['ticket_granted', local('orders'), allow('web/*', 'orders')],
      ['ticket_denied', local('ghost'), allow('web/1', 'ghost')],
      ['ticket_denied', local('stock'), expect.objectContaining({ client: '*', effect: 'deny' })],
      ['ticket_granted', local('kdc'), null],
      ['ticket_denied', local('web/1'), null],
    ])
    const denials = logger.lines.filter(({ message }) => message === 'ticket denied')
    expect(denials.map(({ fields }) => Reflect.get(fields, 'rule'))).toEqual([
      'allow web/1@demo.example ghost@demo.example',
      'deny * stock@demo.example',
      undefined,
    ])
  })
})

describe('a failure', () => {
  it('is logged as name, message, code, stack and causes, and nothing else that it holds', () => {
    const cause = Object.assign(new Error('write failed'), {
      code: 'ENOSPC',
      path: '/var',
      key: systemRandom(8),
    })
    const told = describeFailure(new TypeError('no entropy', { cause }))
    expect(told).toEqual({
      name: 'TypeError',
      message: 'no entropy',
      stack: expect.stringContaining('no entropy'),
      cause: { name: 'Error', message: 'write failed', code: 'ENOSPC', stack: expect.any(String) },
    })
  })

  it('that is not an error, or is its own cause, is logged too', () => {
    expect(describeFailure('no')).toEqual({ name: 'string', message: 'no' })
    const circle = new Error('round')
    circle.cause = circle
    expect(describeFailure(circle).cause?.cause?.cause?.cause).toBeUndefined()
    expect(describeFailure(Object.create(null))).toMatchObject({ name: 'object' })
  })
})

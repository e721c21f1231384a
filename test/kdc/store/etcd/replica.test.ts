import { describe, expect, it } from 'vitest'
import { ownContext } from '../../../../kdc/admin/context.js'
import { callMethod } from '../../../../kdc/admin/methods.js'
import type { Planned } from '../../../../kdc/realm/realm-writer.js'
import { SILENT_REPORT } from '../../../../kdc/report/report.js'
import { liveReplicas } from '../../../../kdc/store/etcd/place.js'
import { REPLICA } from '../../../../kdc/store/etcd/replica-defaults.js'
import { appliedIn, lastKey, replicaKey } from '../../../../kdc/store/etcd/replica-keys.js'
import { createEtcdStore } from '../../../../kdc/store/etcd/store.js'
import { rotateMasterKey } from '../../../../kdc/upkeep/rotate-master-key.js'
import { MasterKey } from '../../../../kdc/vault/master-key.js'
import { Vault } from '../../../../kdc/vault/vault.js'
import {
  decodeEnrolled,
  decodeMadeInvitation,
  encodeNewInvitation,
} from '../../../../shared/administration/invitations.js'
import {
  decodeAddedPrincipal,
  encodeNewPrincipal,
  NO_LIMITS,
} from '../../../../shared/administration/principals.js'
import { encodePolicyRule } from '../../../../shared/administration/rules.js'
import { TYPE } from '../../../../shared/constants.js'
import { systemRandom } from '../../../../shared/crypto/random.js'
import { createMessage } from '../../../../shared/encoding/message.js'
import { decodeTicket } from '../../../../shared/ticket/ticket.js'
import { failureOf } from '../../../support/failure.js'
import { FakeClient } from '../../../support/fake-etcd.js'
import {
  ask,
  callerOf,
  grantOf,
  type Identity,
  local,
  login,
  outcome,
  pattern,
  ruleOf,
} from '../../../support/realm.js'
import { PREFIX, type TestCluster, type TestKdc, testCluster } from '../../../support/replicas.js'

/** Several KDCs on one etcd, each timing by itself. What random ones come to is the simulation's. */

interface Scene extends Omit<TestCluster, 'kdcs'> {
  readonly kdcs: readonly [TestKdc, TestKdc, TestKdc]
  readonly web: Identity
  /** What a login at this KDC comes to, at this very moment. */
  at(kdc: TestKdc): Promise<string>
  /** How long it takes, milliseconds. */
  timed(work: Promise<unknown>): Promise<number>
}

async function scene(count = 3): Promise<Scene> {
  const cluster = await testCluster(count, systemRandom)
  const { clock, etcd, during } = cluster
  const kdcs = cluster.kdcs as unknown as Scene['kdcs']
  const [first] = kdcs
  const principal = local('web')
  const added = await during(
    first.call('add', encodeNewPrincipal({ principal, password: null, ...NO_LIMITS })),
  )
  const { kvno, key } = decodeAddedPrincipal(added)
  if (key === null) throw new Error('no key')
  const web = { principal, kvno, key }
  // By now every KDC knows who had a place before it had one.
  await clock.go(2_000, etcd)
  const at = async ({ dispatch }: TestKdc): Promise<string> =>
    outcome(await during(login({ dispatch, clock } as never, web)))
  const timed = async (work: Promise<unknown>): Promise<number> => {
    const since = clock.monotonic()
    await during(work)
    return clock.monotonic() - since
  }
  return { ...cluster, kdcs, web, at, timed }
}

const disable = (kdc: TestKdc) => kdc.call('disable', [local('web')])

describe('three KDCs that share a store', () => {
  it('grant at each of them what was changed at one', async () => {
    const { kdcs, at } = await scene()
    for (const kdc of kdcs) expect(await at(kdc)).toBe('reply')
  })

  it('refuse at each of them, from its acknowledgement on, what was disabled at one', async () => {
    const { kdcs, at, timed } = await scene()
    for (const kdc of kdcs) await at(kdc)
    expect(await timed(disable(kdcs[0]))).toBeLessThan(50)
    for (const kdc of kdcs) expect(await at(kdc)).toBe('06 principal_disabled')
  })

  it('say what each has applied', async () => {
    const { kdcs, etcd, during } = await scene()
    await during(disable(kdcs[0]))
    const last = etcd.keys.get(lastKey(PREFIX))?.modRevision
    for (const { replica } of kdcs) {
      const key = etcd.keys.get(replicaKey(PREFIX, replica.id))
      expect(appliedIn(key?.value ?? new Uint8Array())).toBe(last)
      expect(replica.members).toHaveLength(3)
    }
    const ids = kdcs.map(({ replica }) => replica.id)
    const live = await during(liveReplicas(kdcs[0].client, PREFIX))
    expect(live.map(({ id }) => id)).toEqual(ids.sort())
  })

  it('read nothing more from etcd while nothing changes, but what confirms them', async () => {
    const { kdcs, at, etcd, clock } = await scene()
    for (const kdc of kdcs) await at(kdc)
    const before = etcd.revision
    for (let i = 0; i < 20; i++) {
      await clock.go(250, etcd)
      for (const kdc of kdcs) expect(await at(kdc)).toBe('reply')
    }
    expect(etcd.revision).toBe(before)
  })
})

describe('a KDC that stands still', () => {
  it('holds a change up for no longer than 2.5 s, and refuses when it goes on', async () => {
    const { kdcs, at, timed, clock, etcd } = await scene()
    const [first, , third] = kdcs
    await at(third)
    third.client.stop()
    const took = await timed(disable(first))
    expect(took).toBeGreaterThanOrEqual(REPLICA.APPLY_WITHIN + REPLICA.GONE_FOR)
    expect(took).toBeLessThan(2_500)
    expect(first.logger.lines.at(-2)).toMatchObject({ level: 'warn', fields: { other: third.replica.id } })
    third.client.goOn()
    expect(third.replica.isCurrent()).toBe(false)
    expect(await at(third)).not.toBe('reply')
    await clock.go(1_000, etcd)
    expect(await at(third)).toBe('06 principal_disabled')
  })

  it('holds up nothing that only grants', async () => {
    const { kdcs, timed } = await scene()
    kdcs[2].client.stop()
    const principal = local('new')
    expect(
      await timed(kdcs[0].call('add', encodeNewPrincipal({ principal, password: null, ...NO_LIMITS }))),
    ).toBeLessThan(50)
  })

  it('holds up nothing once its lease has ended long ago', async () => {
    const { kdcs, timed, clock, etcd } = await scene()
    kdcs[2].client.stop()
    await clock.go(4_000, etcd)
    expect(await timed(disable(kdcs[0]))).toBeLessThan(50)
  })

  it('is waited for if its key went just before the change: it may still be answering', async () => {
    const { kdcs, timed, at, clock, etcd } = await scene()
    const [first, , third] = kdcs
    await at(third)
    // It answers, but hears nothing, and nobody has heard that its key is gone but etcd and the watches of the others.
    third.client.hangWatches()
    third.client.isCut = true
    etcd.delete(replicaKey(PREFIX, third.replica.id))
    await clock.go(10, etcd)
    const disabling = disable(first)
    expect(await at(third)).toBe('reply')
    expect(await timed(disabling)).toBeGreaterThan(1_400)
    expect(await at(third)).toBe('05 unavailable')
    third.client.isCut = false
    await clock.go(4_000, etcd)
    expect(await at(third)).toBe('06 principal_disabled')
  })

  it('is waited for by a KDC that has started only after its key went', async () => {
    const { kdcs, start, timed, at, clock, etcd } = await scene()
    const [, , third] = kdcs
    await at(third)
    third.client.hangWatches()
    third.client.isCut = true
    etcd.delete(replicaKey(PREFIX, third.replica.id))
    await clock.go(10, etcd)
    const fresh = await start()
    const disabling = disable(fresh)
    expect(await at(third)).toBe('reply')
    expect(await timed(disabling)).toBeGreaterThan(1_000)
    expect(await at(third)).toBe('05 unavailable')
  })

  it('is waited for though whoever changes something has not heard of it yet', async () => {
    const { kdcs, start, timed, at } = await scene(1)
    const [first] = kdcs
    first.client.watchDelay = () => 600
    const fresh = await start()
    expect(await at(fresh)).toBe('reply')
    fresh.client.hangWatches()
    fresh.client.isCut = true
    expect(await timed(disable(first))).toBeGreaterThan(1_000)
    expect(await at(fresh)).toBe('05 unavailable')
  })

  it('is waited for from its place on, before it has said that it has applied anything', async () => {
    const { kdcs, timed, at, clock, etcd } = await scene()
    const [first, , third] = kdcs
    const transact = third.client.transact.bind(third.client)
    // What it says of itself never arrives.
    third.client.transact = asked => (asked.compares.length > 0 ? new Promise(() => {}) : transact(asked))
    third.client.cutWatches()
    await clock.go(20, etcd)
    expect(await at(third)).toBe('reply')
    third.client.hangWatches()
    third.client.isCut = true
    const disabling = disable(first)
    expect(await at(third)).toBe('reply')
    expect(await timed(disabling)).toBeGreaterThan(1_000)
    expect(await at(third)).toBe('05 unavailable')
  })

  it('that leaves in order is waited for by nobody', async () => {
    const { kdcs, timed, during } = await scene()
    await during(kdcs[2].close())
    expect(await timed(disable(kdcs[0]))).toBeLessThan(50)
  })
})

describe('a KDC that does not hear', () => {
  it('of a change answers nothing a second later, whatever its lease says', async () => {
    const { kdcs, at, clock, etcd, during } = await scene()
    const [, , third] = kdcs
    await at(third)
    third.client.isCut = true
    third.client.keepsLease = true
    await clock.go(REPLICA.CURRENT_FOR - REPLICA.CONFIRM_EVERY - 10, etcd)
    expect(third.replica.isCurrent()).toBe(true)
    await clock.go(REPLICA.CONFIRM_EVERY + 20, etcd)
    expect(third.replica.isCurrent()).toBe(false)
    expect(await at(third)).toBe('05 unavailable')
    expect(third.replica.fault).toMatchObject({
      code: 'unavailable',
      facts: { hint: expect.stringContaining('another KDC') },
    })
    let isKnown = false
    const known = third.replica.whenCurrent()?.then(() => {
      isKnown = true
    })
    await clock.go(1_000, etcd)
    expect(isKnown).toBe(false)
    third.client.isCut = false
    await during(known ?? Promise.reject(new Error('it waits for nothing')))
    expect(third.replica.whenCurrent()).toBeUndefined()
  })

  it('for a second from the sending of its last question, however late the answer comes', async () => {
    const { kdcs, clock, etcd } = await scene()
    const third = kdcs[2]
    const transact = third.client.transact.bind(third.client)
    third.client.transact = async transaction => {
      const answer = await transact(transaction)
      await new Promise<void>(resolve => clock.setTimeout(resolve, 900))
      return answer
    }
    await clock.go(2_000, etcd)
    third.client.isCut = true
    await clock.go(REPLICA.CURRENT_FOR + 10, etcd)
    expect(third.replica.isCurrent()).toBe(false)
  })

  it('by a watch that hangs begins again by itself', async () => {
    const { kdcs, at, clock, etcd, timed } = await scene()
    const [first, , third] = kdcs
    await at(third)
    third.client.hangWatches()
    // It is put out, and back with its place before it could be put out again.
    expect(await timed(disable(first))).toBeLessThan(1_000)
    await clock.go(3_000, etcd)
    expect(third.replica.isCurrent()).toBe(true)
    expect(await at(third)).toBe('06 principal_disabled')
  })

  it('by a watch that hangs notices a change that nobody waits for', async () => {
    const { kdcs, at, clock, etcd, during } = await scene()
    const [first, , third] = kdcs
    await during(disable(first))
    expect(await at(third)).toBe('06 principal_disabled')
    third.client.hangWatches()
    await during(first.call('enable', [local('web')]))
    expect(await at(third)).toBe('06 principal_disabled')
    await clock.go(3_000, etcd)
    expect(await at(third)).toBe('reply')
  })

  it('because its watch ended forgets everything, and goes on at once', async () => {
    const { kdcs, at, clock, etcd } = await scene()
    const third = kdcs[2]
    await at(third)
    third.client.cutWatches()
    // Behind its back, before it watches again: only forgetting can notice it.
    const lines = third.logger.lines.length
    await clock.go(20, etcd)
    expect(third.replica.isCurrent()).toBe(true)
    expect(third.logger.lines.slice(lines).map(({ message }) => message)).toEqual([
      expect.stringContaining('has a place'),
    ])
    expect(third.realm.directory.use.principals.entries).toBe(0)
  })

  it('by the wall clock, which leaps ahead while it sleeps', async () => {
    const { kdcs, clock, etcd } = await scene()
    clock.step(60_000)
    for (const { replica } of kdcs) expect(replica.isCurrent()).toBe(false)
    await clock.go(REPLICA.CONFIRM_EVERY + 10, etcd)
    for (const { replica } of kdcs) expect(replica.isCurrent()).toBe(true)
  })
})

describe('a KDC with another master key', () => {
  const another = (): MasterKey => new MasterKey(systemRandom(32))

  it('is not started beside those that have one, and says what to copy', async () => {
    const { kdcs, start, etcd, clock, at } = await scene()
    expect(await failureOf(start({ key: another() }))).toMatchObject({
      code: 'unavailable',
      reason: expect.stringMatching(/^the KDC [0-9a-f]{16} .* a master key that this one does not have$/),
      facts: { hint: expect.stringMatching(/copy master\.key .*--previous-master-key-file/) },
    })
    await clock.go(10, etcd)
    for (const kdc of kdcs) {
      expect(kdc.replica.members).toHaveLength(3)
      expect(await at(kdc)).toBe('reply')
    }
  })

  it('is not started before the others can read what it seals, and one after the other is', async () => {
    const { kdcs, start, masterKey, during, at } = await scene(1)
    const key = systemRandom(32)
    const next = (): MasterKey => new MasterKey(key.slice())
    expect(await failureOf(start({ key: next(), previous: masterKey() }))).toMatchObject({
      reason: expect.stringMatching(/ does not have the master key that this one would seal records under$/),
      facts: { hint: expect.stringMatching(/with that key as --previous-master-key-file first/) },
    })
    const second = await start({ key: masterKey(), previous: next() })
    await during(kdcs[0].close())
    const third = await start({ key: next(), previous: masterKey() })
    // It would seal again what the second one goes on to seal under the key before.
    expect(await failureOf(during(third.call('rotate-master-key', [null])))).toMatchObject({
      reason: expect.stringMatching(/ still seals records under the master key before$/),
    })
    for (const kdc of [second, third]) expect(await at(kdc)).toBe('reply')
  })

  it('is noticed by one that runs when all records were sealed under it elsewhere', async () => {
    const { kdcs, masterKey, at, clock, etcd, during } = await scene()
    const store = createEtcdStore({ etcd: new FakeClient(etcd, clock), prefix: PREFIX })
    const vault = new Vault(store, another(), systemRandom, { previous: masterKey() })
    const change = async <T>(plan: () => Promise<Planned<T>>): Promise<T> => {
      const { changes, result } = await plan()
      await vault.commit(changes)
      return result
    }
    let { next } = await during(rotateMasterKey({ vault, change }, null))
    ;({ next } = await during(rotateMasterKey({ vault, change }, next)))
    expect(next).not.toBeNull()
    await clock.go(REPLICA.CURRENT_FOR + REPLICA.CONFIRM_EVERY, etcd)
    for (const kdc of kdcs) {
      expect(await at(kdc)).toBe('05 unavailable')
      expect(kdc.replica.fault?.reason).toMatch(
        /a change could not be read: the realm record \w+ does not open/,
      )
      expect(kdc.logger.lines.filter(({ level }) => level === 'warn')).toHaveLength(1)
    }
  })
})

describe('an etcd that goes back', () => {
  it('is refused for good, by each KDC that has seen more', async () => {
    const { kdcs, at, clock, etcd, during } = await scene()
    const snapshot = etcd.takeSnapshot()
    await during(disable(kdcs[0]))
    etcd.restore(snapshot)
    await clock.go(REPLICA.CONFIRM_EVERY + 10, etcd)
    for (const kdc of kdcs) {
      expect(await at(kdc)).toBe('05 unavailable')
      expect(kdc.logger.lines.filter(({ message }) => message.startsWith('etcd has gone back'))).toHaveLength(
        1,
      )
      expect(kdc.replica.fault?.facts.hint).toContain('start each KDC again')
      await expect(kdc.replica.whenCurrent()).rejects.toMatchObject({ code: 'unavailable' })
      await expect(failureOf(during(disable(kdc)))).resolves.toMatchObject({ code: 'unavailable' })
    }
    await clock.go(5_000, etcd)
    for (const kdc of kdcs) expect(kdc.replica.isCurrent()).toBe(false)
  })
})

describe('changes at two KDCs at once', () => {
  it('are both made, each entry of the revocation log with a number of its own', async () => {
    const { kdcs, during } = await scene()
    const revoking = kdcs.flatMap(kdc =>
      [1, 2, 3].map(() => kdc.call('revoke-ticket', [systemRandom(16), null])),
    )
    const seqs = (await during(Promise.all(revoking))).map(([seq]) => seq)
    expect([...seqs].sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
    for (const { realm } of kdcs) expect(realm.revocations.newest).toBe(9)
  })

  it('of one rule: the second decides from what the first left', async () => {
    const { kdcs, during } = await scene()
    const [first, second] = kdcs
    const rule = ruleOf('web', 'orders')
    const made = await during(
      Promise.allSettled([first, second].map(kdc => kdc.call('allow', [...encodePolicyRule(rule)]))),
    )
    expect(made.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled'])
  })
})

describe('one invitation at two KDCs at the same moment', () => {
  it('gives exactly one of two hosts a key that works, at whichever KDC each logs in', async () => {
    const { kdcs, clock, etcd, during } = await scene()
    const [first, second, third] = kdcs
    const endsAt = clock.now() + 600_000
    const wanted = { target: pattern('orders'), uses: 1, endsAt, principalsLife: null }
    const made = await during(first.call('invite', encodeNewInvitation(wanted)))
    const { principal } = decodeMadeInvitation(made).invitation
    const enrol = async ({ realm }: TestKdc): Promise<Identity> => {
      const context = { ...ownContext(realm, SILENT_REPORT), caller: callerOf(principal, clock.now()) }
      return decodeEnrolled(await callMethod(context, 'enrol', [null]))
    }
    const hosts = await during(Promise.all([enrol(first), enrol(second)]))
    await clock.go(100, etcd)
    const logins = [first, second, third].flatMap(({ dispatch }) =>
      hosts.map(async host => `${host.kvno} ${outcome(await login({ dispatch, clock } as never, host))}`),
    )
    const came = new Set(await during(Promise.all(logins)))
    const [old, staged] = hosts.map(({ kvno }) => kvno).sort((a, b) => a - b)
    expect(came).toEqual(new Set([`${old} 05 auth_failed`, `${staged} reply`]))
  })
})

describe('a TGT under a kvno that a KDC does not know', () => {
  it('is looked up in the store, since another one may have rotated a moment ago', async () => {
    const { kdcs, web, at, clock, etcd, during } = await scene()
    const [first, , third] = kdcs
    await at(third)
    third.client.watchDelay = () => 700
    const rotating = first.call('rotate', [local('krbtgt')])
    await clock.go(10, etcd)
    const tgt = grantOf(await during(login({ dispatch: first.dispatch, clock } as never, web)))
    expect(decodeTicket(tgt.ticket).kvno).toBe(2)
    expect(outcome(await during(ask({ dispatch: third.dispatch, clock } as never, tgt)))).toBe('reply')
    await during(rotating)
  })

  it('is refused only after that, and however many come, few look-ups are made', async () => {
    const { kdcs, web, at, clock, during } = await scene()
    const [, , third] = kdcs
    await at(third)
    const tgt = grantOf(await during(login({ dispatch: third.dispatch, clock } as never, web)))
    const ticket = new Uint8Array(tgt.ticket)
    const { service, box } = decodeTicket(tgt.ticket)
    const unknown = createMessage(TYPE.TICKET, [service, 99, box])
    expect(unknown.length).toBe(ticket.length)
    let looks = 0
    const { range } = third.client
    third.client.range = question => {
      looks += 1
      return range.call(third.client, question)
    }
    const since = clock.monotonic()
    const asked: Promise<unknown>[] = []
    while (clock.monotonic() - since < 1_000) {
      for (let i = 0; i < 5; i++) {
        const refused = ask({ dispatch: third.dispatch, clock } as never, tgt, { ticket: unknown })
        asked.push(refused.then(outcome))
      }
      await clock.go(10)
    }
    expect(new Set(await during(Promise.all(asked)))).toEqual(new Set(['05 ticket_invalid']))
    expect(looks).toBeGreaterThan(5)
    expect(looks).toBeLessThanOrEqual(11)
  })

  it('is neither refused nor accepted while the store is away', async () => {
    const { kdcs, web, at, clock, during } = await scene()
    const [, , third] = kdcs
    await at(third)
    const tgt = grantOf(await during(login({ dispatch: third.dispatch, clock } as never, web)))
    const { service, box } = decodeTicket(tgt.ticket)
    third.client.isCut = true
    const ticket = createMessage(TYPE.TICKET, [service, 99, box])
    expect(outcome(await during(ask({ dispatch: third.dispatch, clock } as never, tgt, { ticket })))).toBe(
      '05 unavailable',
    )
  })
})

import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { ownContext } from '../../../kdc/admin/context.js'
import { callMethod } from '../../../kdc/admin/methods.js'
import type { Caller } from '../../../kdc/admin/role.js'
import { createDispatch } from '../../../kdc/exchange/dispatch.js'
import {
  ALL_LOG_SEARCHES,
  DEFAULT_LIMITS,
  LOG_SEARCH_REACH,
  LOG_SEARCHES,
} from '../../../kdc/limits/defaults.js'
import { createRateLimits } from '../../../kdc/limits/rate-limits.js'
import type { Audit } from '../../../kdc/report/audit/audit.js'
import { SEARCH_PAGE_BYTES, searchRefusals } from '../../../kdc/report/audit/refusal-search.js'
import { createReport } from '../../../kdc/report/report.js'
import { AUDIT_LINE_BYTES, type AuditLine } from '../../../shared/administration/audit-line.js'
import {
  decodeRefusals,
  encodeRefusals,
  type FoundRefusals,
} from '../../../shared/administration/refusals.js'
import { formatTime, MINUTE } from '../../../shared/time.js'
import {
  administrator,
  callerOf,
  denialsOf,
  local,
  login,
  START,
  TestClock,
  type TestRealm,
  testRealm,
} from '../../support/realm.js'
import { auditScene } from '../report/audit/audit-log.js'

/** Refusals that a KDC no longer remembers, found in its audit log. */

const ID = '3f9a0c5d7e21'
/** Whether lines are chained is for `orthrus audit verify`. */
const MAC = 'A'.repeat(22)
const admin = administrator(local('admin'))

interface Scene {
  readonly realm: TestRealm
  readonly directory: string
  /** What is asked of a KDC that has just started. */
  ask(caller: Caller | undefined, id?: string, before?: number | null): Promise<FoundRefusals>
  /** Writes a file of the log, as another KDC before this one has. */
  write(first: number, lines: readonly object[], filler?: number): Promise<void>
}

async function scene(rates?: Parameters<typeof testRealm>[0]): Promise<Scene> {
  const directory = await mkdtemp(join(tmpdir(), 'orthrus-refusals-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const realm = await testRealm(rates)
  await realm.add('web')
  await realm.add('orders')
  const audit = { directory } as unknown as Audit
  const context = ownContext(realm.realm, realm.context.report, audit, realm.context.rates)
  return {
    realm,
    directory,
    ask: async (caller, id = ID, before = null) =>
      decodeRefusals(await callMethod({ ...context, caller }, 'refusal', [id, before])),
    write: async (first, lines, filler = 0) => {
      const texts = lines.map((line, i) => `${JSON.stringify({ n: first + i, ...line, mac: MAC })}\n`)
      const path = join(directory, `audit-${String(first).padStart(12, '0')}.jsonl`)
      await writeFile(path, texts.join(''))
      const other = `${JSON.stringify({ n: first + lines.length, ...denied({ id: 'ffffffffffff' }) })}\n`
      await appendFile(path, other.repeat(Math.ceil(filler / other.length)))
    },
  }
}

/** A line about a ticket that was denied. */
function denied(rest: Partial<AuditLine> = {}): Omit<AuditLine, 'n'> {
  return {
    at: formatTime(START),
    kind: 'ticket',
    outcome: 'denied',
    exchange: 'TGS',
    client: local('web'),
    service: local('orders'),
    rule: `deny ${local('web')} *`,
    code: 'policy_denied',
    id: ID,
    reason: 'a rule denies it',
    ...rest,
  }
}

function owner(name: string, owned: string): Caller {
  return { ...callerOf(local(name)), claims: [['owner', owned]] }
}

describe('a refusal of before the KDC started', () => {
  it('is found in what the KDC itself wrote, as it was remembered', async () => {
    const log = await auditScene()
    const { audit, report } = await log.open()
    const realm = await testRealm()
    const web = await realm.add('web')
    await realm.add('orders')
    await realm.deny('*', 'orders')
    const telling = createReport([event => report.tell(event), realm.realm.refusals.listen])
    const dispatching = { ...realm, dispatch: createDispatch({ ...realm.context, report: telling }) }
    expect(
      denialsOf(await login(dispatching, web, { services: [local('orders'), local('ghost')] })),
    ).toHaveLength(2)
    await login(dispatching, { ...web, key: realm.admin.key })
    await login(dispatching, web, { time: START - 10 * MINUTE })
    await audit.close()
    const context = { ...ownContext(realm.realm, realm.context.report, audit), caller: admin }
    const ids = new Set((await log.lines()).flatMap(({ id }) => id ?? []))
    expect(ids.size).toBe(3)
    for (const id of ids) {
      const kept = { refusals: realm.realm.refusals.find(id), next: null, since: null }
      const remembered = decodeRefusals(encodeRefusals(kept)).refusals
      expect(remembered.length).toBeGreaterThan(0)
      const found = decodeRefusals(await callMethod(forgetful(context), 'refusal', [id, null]))
      const isStale = remembered[0]?.code === 'clock_skew'
      // Who proved a request that is too old is in the log, though anybody may have repeated it.
      const told = remembered.map(one => ({
        ...one,
        hint: null,
        ...(isStale ? { client: local('web'), claimed: null } : {}),
      }))
      expect(found.refusals).toEqual(told)
    }
  })

  it('is told to its client, to an owner of the service, to administrators, and to nobody else', async () => {
    const { realm, ask, write } = await scene()
    const reason = 'the service is disabled'
    await write(1, [denied({ code: 'unknown_service', reason }), denied({ service: local('stock') })])
    for (const [name, owned] of [
      ['ann', 'orders'],
      ['bob', 'billing'],
    ] as const) {
      await realm.add(name)
      await realm.allow(name, 'kdc', { claims: [['owner', owned]] })
    }
    expect((await ask(admin)).refusals).toMatchObject([{ reason }, { service: local('stock') }])
    expect((await ask(undefined)).refusals).toHaveLength(2)
    const own = (await ask(callerOf(local('web')))).refusals
    expect(own.map(({ reason }) => reason)).toEqual([
      'there is no such service, or it is disabled, has expired or has no key',
      'a rule denies it',
    ])
    expect((await ask(owner('ann', 'orders'))).refusals).toMatchObject([{ service: local('orders'), reason }])
    const nothing = await ask(callerOf(local('web')), '000000000000')
    expect(nothing.refusals).toEqual([])
    for (const caller of [
      owner('bob', 'billing'),
      callerOf(local('orders')),
      { ...callerOf(local('web')), via: local('gate') },
      { ...callerOf(local('web')), caveats: [{ name: 'services', services: [local('kdc')] }] } as Caller,
    ])
      expect(await ask(caller)).toEqual(nothing)
  })

  it('of a whole request is told to who proved it, and what nobody proved to administrators alone', async () => {
    const { realm, ask, write } = await scene()
    const request = { at: formatTime(START), kind: 'request', outcome: 'refused', exchange: 'AS', id: ID }
    await write(1, [
      { ...request, client: local('web'), service: local('orders'), code: 'revoked', reason: 'was revoked' },
      {
        ...request,
        code: 'rate_limited',
        reason: 'the password is right, but may have been guessed',
        details: { principal: local('web') },
      },
      {
        ...request,
        client: local('web'),
        via: local('gate'),
        exchange: 'AP-OPEN',
        code: 'revoked',
        reason: 'x',
      },
    ])
    const all = (await ask(admin)).refusals
    expect(all).toMatchObject([
      { client: local('web'), service: null, code: 'revoked' },
      { client: null, claimed: local('web'), reason: 'too many requests' },
      { client: local('gate'), exchange: 'AP-OPEN' },
    ])
    expect((await ask(callerOf(local('web')))).refusals).toEqual([all[0]])
    await realm.allow('ann', 'kdc', { claims: [['owner', 'orders']] })
    expect((await ask(owner('ann', 'orders'))).refusals).toEqual([])
  })

  it('is not that of another principal, which had the name before', async () => {
    const { realm, ask, write } = await scene()
    await write(1, [denied()])
    expect((await ask(callerOf(local('web')))).refusals).toHaveLength(1)
    await realm.call('remove', [local('web')])
    realm.clock.pass(MINUTE)
    await realm.add('web')
    expect((await ask(callerOf(local('web')))).refusals).toEqual([])
    expect((await ask(admin)).refusals).toHaveLength(1)
  })

  it.each<[string, object]>([
    ['of a ticket that was granted', denied({ outcome: 'granted' })],
    ['of a change', { ...denied({ kind: 'administration', outcome: 'changed' }), on: [ID] }],
    ['that has the id in a text', denied({ id: '000000000001', reason: `"id":"${ID}"` })],
    ['with a code that there is not', denied({ code: 'nonsense' })],
    ['with a client that is no name', denied({ client: 'web' })],
    ['that is cut off', { at: 5 }],
  ])('is not a line %s', async (_, line) => {
    const { ask, write } = await scene()
    await write(1, [line])
    expect((await ask(admin)).refusals).toEqual([])
  })

  it('is looked for where there is no log, or none of its lines is there any more', async () => {
    const { realm, ask } = await scene()
    expect(await ask(admin)).toEqual({ refusals: [], next: null, since: null })
    const context = { ...ownContext(realm.realm, realm.context.report), caller: admin }
    const nothing = { refusals: [], next: null, since: null }
    expect(decodeRefusals(await callMethod(context, 'refusal', [ID, null]))).toEqual(nothing)
  })
})

describe('the search', () => {
  const everything = { before: null, reach: Number.POSITIVE_INFINITY }
  const takeAll = async (directory: string, options: Partial<Parameters<typeof searchRefusals>[2]> = {}) => {
    const found: AuditLine[] = []
    const passes = async (line: AuditLine) => {
      found.push(line)
      return true
    }
    return { ...(await searchRefusals(directory, ID, { ...everything, passes, ...options })), found }
  }

  it('goes through a page at a time, from the newest file back', async () => {
    const { ask, write } = await scene()
    const at = (minute: number) => denied({ id: '000000000001', at: formatTime(START + minute * MINUTE) })
    await write(1, [denied({ at: formatTime(START) })])
    await write(10, [at(1)], SEARCH_PAGE_BYTES)
    await write(20, [at(2)])
    const first = await ask(admin)
    expect(first).toEqual({ refusals: [], next: 10, since: START + MINUTE })
    const second = await ask(admin, ID, first.next)
    expect(second).toMatchObject({ refusals: [{ id: ID }], next: null, since: START })
    expect((await ask(admin, ID, 1)).refusals).toEqual([])
  })

  it('looks in one file more than where it found one: a file may have begun within an answer', async () => {
    const { directory, write } = await scene()
    for (const first of [1, 2, 3, 4]) await write(first, [denied({ service: local(`s${first}`) })])
    const { found, next } = await takeAll(directory)
    expect(found.map(({ service }) => service)).toEqual([local('s4'), local('s3')])
    expect(next).toBeNull()
  })

  it('finds a line wherever a piece of the file ends', async () => {
    const { directory, write } = await scene()
    const line = JSON.stringify({ n: 1, ...denied({ id: 'ffffffffffff' }) }).length + 1
    for (const filler of [256 * 1024 - 2 * line, 256 * 1024 - line, 256 * 1024]) {
      await write(1, [], filler)
      const path = join(directory, 'audit-000000000001.jsonl')
      await appendFile(path, `${JSON.stringify({ n: 2, ...denied() })}\n`)
      expect((await takeAll(directory)).found).toHaveLength(1)
    }
  })

  it('takes no line that has not ended, nor one longer than any', async () => {
    const { directory } = await scene()
    const path = join(directory, 'audit-000000000001.jsonl')
    const text = JSON.stringify({ n: 2, ...denied() })
    await writeFile(path, text)
    expect((await takeAll(directory)).found).toEqual([])
    await writeFile(
      path,
      `${JSON.stringify({ n: 1, ...denied({ reason: 'x'.repeat(3 * AUDIT_LINE_BYTES) }) })}\n`,
    )
    expect((await takeAll(directory)).found).toEqual([])
    await appendFile(path, `${text}\n`)
    expect((await takeAll(directory)).found).toHaveLength(1)
  })

  it('has a bound on what it brings', async () => {
    const { directory, write } = await scene()
    await write(
      1,
      Array.from({ length: 100 }, () => denied()),
    )
    expect((await takeAll(directory)).found).toHaveLength(64)
  })

  it('goes back only so far for who is no administrator', async () => {
    const { directory, write } = await scene()
    await write(1, [denied()])
    await write(2, [], 3_000)
    await write(100, [], 3_000)
    const passes = async () => false
    const size = 3_000
    expect(await searchRefusals(directory, ID, { before: null, reach: size, passes })).toMatchObject({
      next: null,
    })
    const { found } = await takeAll(directory, { reach: size })
    expect(found).toEqual([])
    expect((await takeAll(directory, { reach: 3 * size })).found).toHaveLength(1)
    expect(LOG_SEARCH_REACH).toBeGreaterThanOrEqual(4 * SEARCH_PAGE_BYTES)
  })

  it('is limited for each client, and for all together; an administrator is not', async () => {
    const clock = new TestClock()
    const limited: string[] = []
    const rates = createRateLimits(
      DEFAULT_LIMITS,
      () => clock.monotonic(),
      undefined,
      limit => limited.push(limit),
    )
    const { realm, ask } = await scene({ rates })
    const search = async (name: string) => ask(callerOf(local(name)))
    for (let i = 0; i < LOG_SEARCHES.points; i++) await search('web')
    await expect(search('web')).rejects.toMatchObject({ code: 'rate_limited' })
    expect(limited).toEqual(['logSearches'])
    const others = ALL_LOG_SEARCHES.points / LOG_SEARCHES.points - 1
    for (let c = 0; c < others; c++) for (let i = 0; i < LOG_SEARCHES.points; i++) await search(`c${c}`)
    await expect(search('orders')).rejects.toMatchObject({ code: 'rate_limited' })
    expect((await ask(admin)).refusals).toEqual([])
    await realm.allow('ann', 'kdc', { claims: [['owner', 'orders']] })
    await expect(ask(owner('ann', 'orders'))).rejects.toMatchObject({ code: 'rate_limited' })
    clock.pass(MINUTE)
    expect((await search('web')).refusals).toEqual([])
  })

  it('is in the log once of who may see what was refused to others, and never of who asks about itself', async () => {
    const { realm, ask, write } = await scene()
    await write(1, [denied()])
    const lines = () => realm.logger.lines.filter(({ fields }) => Reflect.get(fields, 'method') === 'refusal')
    await ask(callerOf(local('web')))
    await ask(callerOf(local('web')), ID, 5)
    expect(lines()).toEqual([])
    await ask(admin)
    await ask(owner('orders', 'orders'), ID, 5)
    expect(lines().map(({ fields }) => Reflect.get(fields, 'by'))).toEqual([
      [local('admin')],
      [local('orders')],
    ])
  })
})

/** The same realm, as a KDC that has just started sees it. */
function forgetful<T extends { readonly realm: object }>(context: T): T {
  const refusals = { find: () => [], findOf: () => [] }
  return { ...context, realm: Object.create(context.realm, { refusals: { value: refusals } }) }
}

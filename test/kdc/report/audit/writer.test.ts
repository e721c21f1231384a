import { appendFile, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { AuditKey } from '../../../../kdc/report/audit/chain.js'
import { entryOf } from '../../../../kdc/report/audit/entry-of.js'
import { MINUTE, SECOND } from '../../../../shared/time.js'
import { local } from '../../../support/realm.js'
import { auditScene, changed, granted, KEY } from './audit-log.js'

describe('an exchange', () => {
  it('waits in memory, and is written within a second, with others', async () => {
    const made = await auditScene()
    const { audit, report } = await made.open()
    for (let i = 0; i < 5; i++) report.tell(granted(i))
    expect(audit.state).toEqual({ backlog: 5, dropped: 0, isFailing: false, lines: 0 })
    expect(await made.names()).toEqual([])
    made.clock.advance(SECOND)
    await expect.poll(() => audit.state).toEqual({ backlog: 0, dropped: 0, isFailing: false, lines: 5 })
    const [line] = await made.lines()
    expect(line).toEqual({
      n: 1,
      at: '2027-01-15T08:00:00.000Z',
      kind: 'ticket',
      outcome: 'granted',
      exchange: 'TGS',
      client: 'web@demo.example',
      from: '192.0.2.1',
      service: 'orders@demo.example',
      rule: 'allow web@demo.example orders@demo.example',
      ticket: '00'.repeat(16),
      tgt: '09'.repeat(16),
      ends: '1970-01-01T00:00:00.001Z',
    })
    await audit.close()
    expect((await made.verify()).findings).toEqual([])
  })

  it('is written in the next turn of the event loop when many wait, and not before an answer', async () => {
    const made = await auditScene()
    const { audit, report } = await made.open({ backlogMax: 10_000 })
    for (let i = 0; i < 1_000; i++) report.tell(granted(i % 250))
    // Long enough for a file to be opened and written, if anybody did.
    for (let i = 0; i < 20; i++) expect(await made.names()).toEqual([])
    expect(audit.state).toMatchObject({ backlog: 1_000, lines: 0 })
    made.clock.advance(0)
    // What is left of them fills no batch.
    await expect.poll(() => audit.state.lines).toBe(896)
    made.clock.advance(SECOND)
    await expect.poll(() => audit.state.lines).toBe(1_000)
    await audit.close()
    expect(await made.verify()).toMatchObject({ last: 1_000, findings: [] })
  })

  it('of one client beyond its share is counted, and the log says how many', async () => {
    const made = await auditScene()
    const { audit, report } = await made.open({ tickets: 3 })
    for (let i = 0; i < 10; i++) report.tell(granted(i))
    report.tell(granted(1, 'orders'))
    made.clock.advance(MINUTE + SECOND)
    report.tell(granted(2))
    await audit.close()
    const lines = await made.lines()
    expect(lines.map(({ client, outcome, count }) => [client, outcome, count])).toEqual([
      ['web@demo.example', 'granted', undefined],
      ['web@demo.example', 'granted', undefined],
      ['web@demo.example', 'granted', undefined],
      ['orders@demo.example', 'granted', undefined],
      ['web@demo.example', 'noted', 7],
      ['web@demo.example', 'granted', undefined],
    ])
  })
})

describe('an act of administration', () => {
  it('is on stable storage when it is answered, behind all that came before', async () => {
    const made = await auditScene()
    const { audit, report } = await made.open()
    report.tell(granted(1))
    await report.record(changed('web'))
    expect((await made.lines()).map(({ outcome }) => outcome)).toEqual(['granted', 'changed'])
    // And the mark covers it, although the KDC is killed now.
    const [name = ''] = await made.names()
    await writeFile(join(made.directory, name), '')
    expect((await made.verify()).findings.map(({ what }) => what)).toEqual([
      expect.stringContaining('1 to 2 are missing'),
    ])
    await audit.close()
  })

  it('is on stable storage when it is answered, although batches are being written just then', async () => {
    const made = await auditScene()
    const { audit, report } = await made.open({ backlogMax: 10_000 })
    for (let i = 0; i < 300; i++) report.tell(granted(i % 250))
    made.clock.advance(0)
    await report.record(changed('web'))
    expect(audit.state).toMatchObject({ backlog: 0, lines: 301 })
    const [name = ''] = await made.names()
    await writeFile(join(made.directory, name), '')
    expect((await made.verify()).findings.map(({ what }) => what)).toEqual([
      expect.stringContaining('1 to 301 are missing'),
    ])
    await audit.close()
  })
})

describe('whoever waits for another line', () => {
  it('has it although it was written after the reading and before the waiting', async () => {
    const made = await auditScene()
    const { audit, report } = await made.open()
    const { lines } = audit.state
    await report.record(changed('web'))
    await audit.written(lines, MINUTE)
    let isOver = false
    const waiting = audit.written(audit.state.lines, MINUTE).then(() => {
      isOver = true
    })
    await new Promise(setImmediate)
    expect(isOver).toBe(false)
    await report.record(changed('orders'))
    await waiting
    await audit.close()
  })
})

describe('a KDC that never pauses', () => {
  it('has an act on stable storage although there is always more to write', async () => {
    const made = await auditScene()
    const { audit, report } = await made.open({ backlogMax: 1_000_000, tickets: 1_000_000 })
    // Far more than there are turns while a disk syncs.
    const MANY = 200_000
    let told = 0
    let isBusy = true
    // More in each turn of the event loop.
    const busy = (): void => {
      report.tell(granted(told++ % 250))
      if (isBusy && told < MANY) setImmediate(busy)
    }
    busy()
    await report.record(changed('web'))
    isBusy = false
    expect(told).toBeLessThan(MANY)
    await audit.close()
    const found = await made.verify()
    expect(found).toMatchObject({ findings: [] })
    expect(found.last).toBeGreaterThan(told)
  })
})

describe('a log that cannot be written', () => {
  it('refuses acts by name, drops and counts what there is no room for, and goes on when it can', async () => {
    const made = await auditScene()
    const { audit, report } = await made.open({ backlogMax: 4 })
    await report.record(changed('web'))
    const [name = ''] = await made.names()
    const path = join(made.directory, name)
    // The file is gone, and a folder stands where another one would begin.
    await rm(path)
    await mkdir(join(made.directory, 'audit-000000000002.jsonl'))
    const refusal = await report.record(changed('orders')).catch((cause: unknown) => cause)
    expect(String(refusal)).toMatch(/unavailable: the change was made, but the audit log cannot be written/)
    for (let i = 0; i < 10; i++) report.tell(granted(i))
    expect(audit.state).toMatchObject({ isFailing: true })
    expect(audit.state.dropped).toBeGreaterThan(0)
    expect(made.told.filter(({ kind }) => kind === 'audit_failed').length).toBe(1)
    const planned = report.record({
      kind: 'record_changing',
      by: [],
      change: { method: 'disable', principal: local('x') },
    })
    await expect(planned).rejects.toThrow('so nothing is administered')
    await rm(join(made.directory, 'audit-000000000002.jsonl'), { recursive: true })
    made.clock.advance(SECOND)
    await expect.poll(() => audit.state.isFailing).toBe(false)
    expect(made.told.at(-1)).toMatchObject({ kind: 'audit_written', dropped: audit.state.dropped })
    await report.record(changed('stock'))
    await audit.close()
    const dropped = (await made.lines()).filter(({ reason }) => reason === 'there was no room for what came')
    expect(dropped.reduce((sum, { count = 0 }) => sum + count, 0)).toBe(audit.state.dropped)
    // What was removed stays missing.
    expect((await made.verify()).findings.length).toBe(1)
  })

  it('notices that somebody else writes its file, or takes it away, and says so', async () => {
    const made = await auditScene()
    const { audit, report } = await made.open()
    for (const host of ['web', 'gate', 'shop']) await report.record(changed(host))
    const [name = ''] = await made.names()
    await appendFile(join(made.directory, name), 'not of the KDC\n')
    await report.record(changed('orders')).catch(() => {})
    await report.record(changed('stock'))
    expect(made.told).toContainEqual(
      expect.objectContaining({
        kind: 'audit_noted',
        isFault: true,
        reason: `${name} was changed by somebody else`,
      }),
    )
    await rename(join(made.directory, name), join(made.directory, 'elsewhere'))
    await report.record(changed('a')).catch(() => {})
    await report.record(changed('b'))
    await audit.close()
    const { findings } = await made.verify()
    expect(findings.length).toBeGreaterThan(0)
  })

  it('keeps its lines within bounds, whatever they are about', async () => {
    const made = await auditScene()
    const { audit, report } = await made.open()
    const principals = Array.from({ length: 2_000 }, (_, i) => local(`invite-${i}`))
    await report.record({
      kind: 'record_changed',
      by: [],
      change: { method: 'clear-invitations', principals },
    })
    await audit.close()
    const [name = ''] = await made.names()
    expect((await made.text(name)).length).toBeLessThan(16 * 1024)
    expect((await made.lines())[0]).toMatchObject({ method: 'clear-invitations', on: { length: 8 } })
  })
})

describe('an entry', () => {
  it('tells who, by way of whom, from where and under which ticket', () => {
    const origin = {
      exchange: 'AP-OPEN',
      address: '192.0.2.7',
      by: [local('web'), local('gate')],
      ticketId: KEY.slice(0, 16),
    } as const
    expect(entryOf({ kind: 'channel_opened', origin, endTime: 0 })).toMatchObject({
      client: local('web'),
      via: local('gate'),
      from: '192.0.2.7',
      ticket: '07'.repeat(16),
    })
  })

  it('shows no key', () => {
    const key = new AuditKey(KEY.slice())
    expect([String(key), JSON.stringify({ key })].join()).not.toContain('7,7')
    expect(Object.keys(key)).toEqual([])
  })
})

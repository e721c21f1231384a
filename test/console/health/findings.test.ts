import { describe, expect, it } from 'vitest'
import {
  auditFinding,
  clockFinding,
  dueFinding,
  followersFindings,
  invitationsFinding,
  ownKeyFinding,
} from '../../../console/health/findings.js'
import { HealthModel } from '../../../console/health/health-model.js'
import { detailWords, noteFindings, readNotes, replicasIn } from '../../../console/health/kdc-notes.js'
import type { DueKey } from '../../../shared/administration/keys.js'
import type { FollowerRow, Followers } from '../../../shared/administration/revocations.js'
import { OrthrusError } from '../../../shared/errors.js'
import { principalIn } from '../../../shared/principal.js'
import { DAY, HOUR, MINUTE, SECOND } from '../../../shared/time.js'
import { KeptLog } from '../harness/log.js'
import { administrationBesides } from '../harness/realm.js'
import { harnessSession, REALM } from '../harness/session.js'

const NOW = Date.parse('2026-05-01T12:00:00Z')

function row(name: string, facts: Partial<FollowerRow> = {}): FollowerRow {
  const principal = principalIn(REALM, name)
  return { principal, address: '10.0.0.1', seen: 7, sent: 7, connected: true, silentFor: SECOND, ...facts }
}

function following(rows: readonly FollowerRow[], keptFor = DAY): Followers {
  return { rows, applied: rows.length, silent: 0, keptFor }
}

describe('the health of a realm', () => {
  it.each([
    [20, 'ok', "the clock of this browser is 20 ms behind the KDC's"],
    [-20, 'ok', "the clock of this browser is 20 ms ahead of the KDC's"],
    [3 * HOUR, 'note', "the clock of this browser is 3 h behind the KDC's; the page corrects that by itself"],
  ])('has the clocks %d ms apart: %s', (apart, state, text) => {
    expect(clockFinding(apart)).toMatchObject({ state, text })
  })

  it('says that the log is written, or that there is none', () => {
    const last = { n: 7, at: new Date(NOW - 5 * SECOND).toISOString() }
    expect(auditFinding('following', last, NOW).text).toBe('it is written: line 7 was the last one, 5 s ago')
    expect(auditFinding('none', undefined, NOW)).toMatchObject({ state: 'wrong' })
    expect(auditFinding('lost', last, NOW)).toMatchObject({ state: 'wrong' })
  })

  it('is well where all follow', () => {
    expect(followersFindings(following([row('orders'), row('billing')]), null)).toEqual([
      { name: 'followers', state: 'ok', text: '2 services follow what is revoked, with everything applied' },
    ])
    expect(followersFindings(following([]), null)).toMatchObject([{ state: 'note' }])
  })

  it.each<[Partial<FollowerRow>, string, RegExp]>([
    [{ seen: 5 }, 'note', /has yet to apply 2 revocations/],
    [{ connected: false, silentFor: 5 * MINUTE }, 'note', /was last heard 5 min ago/],
    [{ connected: false, silentFor: 25 * MINUTE }, 'wrong', /it refuses every ticket by now/],
  ])('says of a follower %j: %s', (facts, state, text) => {
    const findings = followersFindings(following([row('orders', facts), row('billing')]), null)
    expect(findings[1]).toMatchObject({ state, text: expect.stringMatching(text) })
  })

  it('lets a follower be silent for as long as the realm is to survive', () => {
    const silent = following([row('orders', { connected: false, silentFor: HOUR })])
    expect(followersFindings(silent, DAY)).toMatchObject([{ state: 'note' }, { state: 'note' }])
  })

  it('finds a principal that is served from two addresses', () => {
    const twice = following([row('orders'), row('orders', { address: '10.0.0.2' })])
    expect(followersFindings(twice, null)[1]).toMatchObject({
      state: 'wrong',
      text: expect.stringContaining('from 10.0.0.1 and 10.0.0.2'),
    })
  })

  it('says whom a KDC that was started lately does not know', () => {
    expect(followersFindings(following([row('orders')], MINUTE), null)[1]).toMatchObject({
      text: 'who followed before this KDC started, 60 s ago, is not known',
    })
  })

  it('says which key is due for longest', () => {
    const due = (name: string, ago: number): DueKey => ({
      principal: principalIn(REALM, name),
      kvno: 1,
      createdAt: NOW - 100 * DAY,
      due: NOW - ago,
      askedAt: null,
    })
    expect(dueFinding([], NOW).state).toBe('ok')
    expect(dueFinding([due('a', HOUR)], NOW)).toMatchObject({ state: 'note' })
    expect(dueFinding([due('a', HOUR), due('b', 5 * DAY)], NOW)).toMatchObject({
      state: 'wrong',
      text: '2 keys are due to change, the longest that of b@demo.example, for 5 d',
    })
  })

  it('says whether the KDC changes its own keys', () => {
    const rotation = { krbtgt: 30 * DAY, kdc: null, principals: null }
    const key = { name: 'krbtgt', kvno: 3, createdAt: NOW - 10 * DAY } as const
    expect(ownKeyFinding(key, rotation, NOW).state).toBe('ok')
    expect(ownKeyFinding({ ...key, createdAt: NOW - 40 * DAY }, rotation, NOW).state).toBe('wrong')
    expect(ownKeyFinding({ ...key, name: 'kdc' }, rotation, NOW).state).toBe('note')
    expect(invitationsFinding(0).state).toBe('ok')
    expect(invitationsFinding(2)).toMatchObject({ state: 'note', text: '2 are open' })
  })

  it('tells what the KDC noted of itself', async () => {
    const log = new KeptLog()
    log.write(NOW - 3 * HOUR, { kind: 'kdc', outcome: 'noted', reason: 'started' })
    log.write(NOW - 2 * HOUR, { kind: 'channel', outcome: 'failed', reason: 'broken' })
    log.write(NOW - HOUR, { kind: 'log', outcome: 'noted', reason: 'left out', client: 'a@r', count: 7 })
    log.write(NOW - 5 * MINUTE, { kind: 'kdc', outcome: 'noted', reason: 'the clock leapt' })
    log.write(NOW - MINUTE, { kind: 'kdc', outcome: 'failed', reason: 'the schedule of keys failed' })
    const notes = await readNotes(log, NOW)
    expect(notes.map(({ n }) => n)).toEqual([5, 4, 3, 1])
    expect(noteFindings(notes, NOW).map(({ state }) => state)).toEqual(['wrong', 'wrong', 'note'])
    expect(noteFindings(notes, NOW + 2 * DAY).map(({ state }) => state)).toEqual(['note'])
    expect(replicasIn([{ replica: 'b' }, {}, { replica: 'a' }, { replica: 'b' }])).toEqual(['a', 'b'])
  })

  it('keeps one answer that fails from hiding the others', async () => {
    const administration = {
      ...administrationBesides(() => NOW, DAY),
      settings: { show: () => Promise.reject(new OrthrusError('unavailable', 'the store cannot be read')) },
    }
    const session = harnessSession({ log: new KeptLog(), now: () => NOW, administration })
    const model = new HealthModel(session)
    await Promise.all([model.look(), model.lookCloser()])
    expect(model.realm.value).toEqual({ failure: { message: 'The store cannot be read.', hint: undefined } })
    expect(model.followers.value).toHaveProperty('value')
    expect(model.ownKeys.value).toMatchObject({ value: [{ name: 'krbtgt' }, { name: 'kdc' }] })
    expect(model.openInvitations.value).toEqual({ value: 0 })
  })

  it('say what else was noted in words, and not the realm of the page', () => {
    const details = { realm: 'demo.example', host: '127.0.0.1', port: 8750 }
    expect(detailWords(details, 'demo.example')).toBe('host 127.0.0.1, port 8750')
    expect(detailWords(details, 'other.example')).toContain('realm demo.example')
    expect(detailWords({ by: { milliseconds: 5 } }, 'demo.example')).toBe('by {"milliseconds":5}')
    expect(detailWords(null, 'demo.example')).toBe('null')
  })
})

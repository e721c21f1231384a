import { signal } from '@preact/signals'
import { describe, expect, it } from 'vitest'
import type { AuditRow } from '../../../client/channel/audit-reading.js'
import { FollowedLines, readHole, unseenWords } from '../../../console/session/followed-lines.js'
import type { Session } from '../../../console/session/session.js'
import { type AuditLine, decodeAuditLine } from '../../../shared/administration/audit-line.js'
import { SECOND } from '../../../shared/time.js'

const START = Date.parse('2026-05-01T10:00:00Z')

function line(n: number, at: number): AuditLine {
  const told = { n, at: new Date(START + at).toISOString(), kind: 'ticket', outcome: 'granted' }
  return decodeAuditLine(JSON.stringify(told))
}

/** A session whose log has these lines, of which some are heard live. */
function sessionWith(kept: readonly AuditLine[]) {
  let tell: (line: AuditLine) => void = () => {}
  async function* lines({ since }: { readonly since: number | null }): AsyncGenerator<AuditRow> {
    for (const each of kept)
      if (Date.parse(each.at) >= (since ?? 0)) yield { line: each, text: JSON.stringify(each) }
  }
  const live = {
    state: signal('following'),
    subscribe: (listener: (line: AuditLine) => void) => {
      tell = listener
      return () => {}
    },
  }
  const now = () => START + 60 * SECOND
  const session = { live, now, administration: { audit: { lines } } } as unknown as Session
  return { session, state: live.state, tell: (each: AuditLine) => tell(each) }
}

describe('lines that are followed', () => {
  const kept = Array.from({ length: 20 }, (_, i) => line(i + 1, i * SECOND))

  it('are heard once each, and what was not heard is read from the log', async () => {
    const { session, tell } = sessionWith(kept)
    const heard: number[] = []
    const followed = new FollowedLines(session, ({ n }) => heard.push(n))
    for (const n of [1, 2, 3, 3, 2, 9, 10]) tell(kept[n - 1] as AuditLine)
    expect(followed.unseen.value?.read.kind).toBe('reading')
    await expect.poll(() => followed.unseen.value?.read.kind).toBe('read')
    expect(heard.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    expect(followed.unseen.value).toEqual({
      from: '2026-05-01T10:00:02.000Z',
      to: '2026-05-01T10:00:08.000Z',
      read: { kind: 'read', missing: 0 },
    })
  })

  it('say from when to when the connection was lost', () => {
    const { session, state, tell } = sessionWith(kept)
    const followed = new FollowedLines(session, () => {})
    tell(kept[2] as AuditLine)
    state.value = 'lost'
    expect(followed.unseen.value).toBeUndefined()
    state.value = 'following'
    expect(followed.unseen.value && unseenWords(followed.unseen.value)).toBe(
      'From 10:00:02 to 10:01:00 the connection was lost, and nothing was seen as it was written: that time is read from the log.',
    )
    followed.end()
    state.value = 'lost'
    followed.unseen.value = undefined
    state.value = 'following'
    expect(followed.unseen.value).toBeUndefined()
  })

  it('say how many are gone', async () => {
    const { session } = sessionWith(kept.filter(({ n }) => n < 3 || n > 6))
    const hole = { after: line(2, SECOND), before: line(9, 8 * SECOND), count: 6 }
    const heard: number[] = []
    expect(await readHole(session.administration.audit, hole, ({ n }) => heard.push(n))).toBe(2)
    expect(heard).toEqual([7, 8])
  })

  it('say that the log is another one', () => {
    const { session, tell } = sessionWith([])
    const followed = new FollowedLines(session, () => {})
    tell(line(100, 0))
    tell(line(1, 60 * SECOND))
    expect(followed.unseen.value && unseenWords(followed.unseen.value)).toBe(
      'Behind 10:01:00 it is another log than before: lines of the time from 10:00:00 may be missing.',
    )
  })

  it('say what was not seen in words', () => {
    const time = { from: '2026-05-01T10:00:02.000Z', to: '2026-05-01T10:05:08.000Z' }
    expect(unseenWords({ ...time, read: { kind: 'read', missing: 0 } })).toBe(
      'From 10:00:02 to 10:05:08 nothing was seen; it was read from the log since.',
    )
    expect(unseenWords({ ...time, read: { kind: 'read', missing: 4 } })).toMatch(
      /4 lines of that time are not/,
    )
    expect(unseenWords({ ...time, read: { kind: 'failed' } })).toMatch(/could not be read/)
    expect(unseenWords({ ...time, read: { kind: 'reading' } })).toMatch(/is being read/)
  })
})

import { describe, expect, it } from 'vitest'
import type { AdmissionRequest } from '../../../shared/accept/replay.js'
import { WaitingChannels } from '../../../shared/channel/waiting-channels.js'
import { parsePrincipal } from '../../../shared/principal.js'

const NOW = 1_000_000
const ID = new Uint8Array(16).fill(1)
const TICKET = '02'.repeat(16)

function request(fields: Partial<AdmissionRequest> = {}): AdmissionRequest {
  return { id: ID, time: NOW, presenter: parsePrincipal('web@demo.example'), endTime: NOW + 1, ...fields }
}

describe('step 4 for an AP-OPEN', () => {
  it.each([
    ['as old as the floor', { time: NOW - 60_001 }, 'clock_skew'],
    ['just above the floor', { time: NOW - 60_000 }, undefined],
    ['5 s ahead', { time: NOW + 5_000 }, undefined],
    ['more than 5 s ahead', { time: NOW + 5_001 }, 'clock_skew'],
    ['of a ticket 5 s over its end', { endTime: NOW - 5_000 }, 'ticket_expired'],
    ['of a ticket just not 5 s over its end', { endTime: NOW - 4_999 }, undefined],
    ['of an ended ticket, outside the window', { endTime: NOW - 5_000, time: 0 }, 'ticket_expired'],
  ])('%s: %o', (_, fields, refusal) => {
    const waiting = new WaitingChannels(() => NOW)
    const { now, floor, refusal: actual } = waiting.begin().admit(request(fields))
    expect([now, floor, actual]).toEqual([NOW, NOW - 60_001, refusal])
    expect(waiting.size).toBe(refusal === undefined ? 1 : 0)
  })

  it('refuses a copy of what still waits, and accepts it afterwards', () => {
    const waiting = new WaitingChannels(() => NOW)
    const first = waiting.begin()
    expect(first.admit(request()).refusal).toBeUndefined()
    const copy = waiting.begin()
    expect(copy.admit(request()).refusal).toBe('replay')
    copy.release()
    expect(waiting.begin().admit(request()).refusal).toBe('replay')
    first.release()
    expect(waiting.begin().admit(request()).refusal).toBeUndefined()
  })

  it('lets 16 of a ticket wait, however many of others wait', () => {
    const waiting = new WaitingChannels(() => NOW)
    const openings = Array.from({ length: 17 }, () => waiting.begin())
    expect(openings.map(opening => opening.takePlace(TICKET))).toEqual([...Array(16).fill(true), false])
    expect(waiting.begin().takePlace('another')).toBe(true)
    openings[16]?.release()
    expect(waiting.begin().takePlace(TICKET)).toBe(false)
    openings[0]?.release()
    openings[0]?.release()
    expect(waiting.begin().takePlace(TICKET)).toBe(true)
    expect(waiting.begin().takePlace(TICKET)).toBe(false)
  })
})

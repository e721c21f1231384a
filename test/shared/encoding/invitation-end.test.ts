import { describe, expect, it } from 'vitest'
import { formatInvitationEnd, parseInvitationEnd } from '../../../shared/encoding/invitation-end.js'
import { START } from '../../support/clock.js'

describe('how an invitation ended', () => {
  it.each([
    [{ how: 'used', at: START, from: '192.0.2.1' } as const, 'used 2027-01-15T08:00:00.000Z from 192.0.2.1'],
    [
      { how: 'used', at: START, from: '2001:db8:0:1::/64' } as const,
      'used 2027-01-15T08:00:00.000Z from 2001:db8:0:1::/64',
    ],
    [{ how: 'withdrawn', at: 0, from: null } as const, 'withdrawn 1970-01-01T00:00:00.000Z'],
    [{ how: 'expired', at: START + 1, from: null } as const, 'expired 2027-01-15T08:00:00.001Z'],
  ])('is told and read: %#', (end, text) => {
    expect(formatInvitationEnd(end)).toBe(`invitation ${text}`)
    expect(parseInvitationEnd(`invitation ${text}`)).toEqual(end)
  })

  it.each([
    '',
    'invitation',
    'invitation used',
    'invitation lost 2027-01-15T08:00:00.000Z',
    'invitation used 2027-13-15T08:00:00.000Z',
    'invitation used 2027-01-15T08:00:00Z',
    'invitation used 2027-01-15T08:00:00.000Z from ',
    'invitation used 2027-01-15T08:00:00.000Z from a b',
    `invitation used 2027-01-15T08:00:00.000Z from ${'a'.repeat(65)}`,
    'invitation used 2027-01-15T08:00:00.000Z from \u001b[2J',
    'x invitation used 2027-01-15T08:00:00.000Z',
    'invitation used 2027-01-15T08:00:00.000Z\n',
    'invitation used 9007199254740991',
  ])('is not read from %j', message => {
    expect(parseInvitationEnd(message)).toBeUndefined()
  })
})

import { describe, expect, it } from 'vitest'
import { stateOfInvitation } from '../../../console/invitations/state.js'
import { type InvitationForm, wantedInvitation } from '../../../console/invitations/wanted.js'
import { ticketIdIn } from '../../../console/principals/ticket-id.js'
import { askedIn, type WhyForm } from '../../../console/why/question.js'
import { DAY, MINUTE } from '../../../shared/time.js'
import { local, pattern, REALM } from '../../support/realm.js'

const NOW = 1_000

describe('the form of an invitation', () => {
  const FORM: InvitationForm = {
    name: 'web',
    expires: '10m',
    uses: '5',
    principalsExpire: '2d',
    kdc: 'wss://a.example, wss://b.example',
  }

  it('is for one host where it names one principal, which has no end', () => {
    expect(wantedInvitation(FORM, REALM, NOW)).toEqual({
      kdc: ['wss://a.example', 'wss://b.example'],
      wanted: { target: pattern('web'), uses: 1, endsAt: NOW + 10 * MINUTE, principalsLife: null },
    })
    expect(wantedInvitation({ ...FORM, name: 'worker/*' }, REALM, NOW).wanted).toEqual({
      target: pattern('worker/*'),
      uses: 5,
      endsAt: NOW + 10 * MINUTE,
      principalsLife: 2 * DAY,
    })
  })

  it.each<[Partial<InvitationForm>, RegExp]>([
    [{ name: '*' }, /one principal/],
    [{ name: '@backend' }, /one principal/],
    [{ name: 'No' }, /neither a principal/],
    [{ expires: 'soon' }, /not a time/],
    [{ uses: '0' }, /number of hosts/],
    [{ kdc: '' }, /wss:\/\/kdc.example/],
    [{ kdc: 'http://a.example' }, /wss:\/\/kdc.example/],
  ])('refuses %j', (change, reason) => {
    expect(() => wantedInvitation({ ...FORM, ...change }, REALM, NOW)).toThrow(reason)
  })

  it('is open until it is used up, withdrawn or ended', () => {
    const row = { uses: 2, used: 1, withdrawn: false, endsAt: NOW + 1 }
    const state = (change: Partial<typeof row>) =>
      stateOfInvitation({ ...row, ...change } as Parameters<typeof stateOfInvitation>[0], NOW)
    expect([
      state({}),
      state({ used: 2, withdrawn: true }),
      state({ withdrawn: true }),
      state({ endsAt: NOW }),
    ]).toEqual(['open', 'used up', 'withdrawn', 'ended'])
  })
})

describe('the form of why', () => {
  const FORM: WhyForm = { client: 'web', service: 'orders', at: '', method: '', path: '', via: '', id: '' }

  it('asks about a pair, with a request and a time, or about the id of a refusal', () => {
    expect(askedIn(REALM, { ...FORM, method: 'GET', path: '/a?b=1', at: '1970-01-01' })).toEqual({
      question: { client: local('web'), service: local('orders'), at: 0, method: 'GET', path: '/a?b=1' },
      via: null,
    })
    expect(askedIn(REALM, { ...FORM, via: ' billing ' })).toMatchObject({ via: local('billing') })
    expect(askedIn(REALM, { ...FORM, client: '', id: ' 3f9a0c5d7e21 ' })).toEqual({ id: '3f9a0c5d7e21' })
  })

  it.each<[Partial<WhyForm>, RegExp]>([
    [{ client: ' ' }, /say about whom/],
    [{ id: 'xyz' }, /12 hex digits/],
    [{ method: 'get' }, /upper case/],
    [{ path: 'a b' }, /as the service sees it/],
    [{ at: 'noon' }, /not a date/],
    [{ service: '*' }, /not a principal/],
  ])('refuses %j', (change, reason) => {
    expect(() => askedIn(REALM, { ...FORM, ...change })).toThrow(reason)
  })
})

describe('the id of a ticket', () => {
  it('is 32 hexadecimal digits', () => {
    expect(ticketIdIn(' 000102030405060708090A0B0C0D0E0F ')).toEqual(
      Uint8Array.from({ length: 16 }, (_, i) => i),
    )
    for (const text of ['', '00', 'g'.repeat(32)]) expect(() => ticketIdIn(text)).toThrow(/32 hexadecimal/)
  })
})

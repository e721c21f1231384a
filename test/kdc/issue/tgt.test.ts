import { describe, expect, it } from 'vitest'
import { grantTgt, type NewTgtQuestion, renewTgt, ticketGranting } from '../../../kdc/issue/tgt.js'
import type { ExchangeContext } from '../../../kdc/realm/context.js'
import { FLAG } from '../../../shared/constants.js'
import { decodeTicket, openTicket } from '../../../shared/ticket/ticket.js'
import { DAY, HOUR } from '../../../shared/time.js'
import { ADDRESS, idOf, krbtgt, local, START, type TestRealm, testRealm } from '../../support/realm.js'

/** Ticket-granting tickets by themselves: what limits them, and what a renewal keeps. */

interface Limits {
  readonly client?: { maxLife?: number; maxRenew?: number; expiresAt?: number }
  readonly granting?: { maxLife?: number; maxRenew?: number }
  readonly maxTgtLife?: number
  readonly maxRenew?: number
}

/** A realm with such limits, where nothing is shortened at random. */
async function realmOf({ client = {}, granting = {}, ...limits }: Limits = {}) {
  const realm = await testRealm(limits)
  await realm.add('web', client)
  await realm.amend('krbtgt', record => ({ ...record, ...granting }))
  const web = await realm.record('web')
  const random: ExchangeContext['random'] = length =>
    length === 4 ? new Uint8Array(4) : realm.context.random(length)
  const question: NewTgtQuestion = {
    granting: await realm.record('krbtgt'),
    client: web,
    origin: { exchange: 'AS', address: ADDRESS, client: web.name },
    now: START,
    lifetime: 0,
    authTime: START + 1,
    renewable: true,
    passwordBased: false,
  }
  return { realm, context: { ...realm.context, random }, question }
}

async function opened(realm: TestRealm, ticket: Uint8Array) {
  return openTicket(decodeTicket(ticket), (await krbtgt(realm)).key)
}

describe('a new TGT', () => {
  it.each<[string, Limits, Partial<NewTgtQuestion>, number]>([
    ["the realm's", {}, {}, 10 * HOUR],
    ["the realm's, when it was set", { maxTgtLife: HOUR }, {}, HOUR],
    ["the client's", { client: { maxLife: 7_000 } }, {}, 7_000],
    ["that of krbtgt's record", { granting: { maxLife: 8_000 } }, {}, 8_000],
    ['what was asked for', {}, { lifetime: 9_000 }, 9_000],
    ["the client's expiry", { client: { expiresAt: START + 6_000 } }, {}, 6_000],
    [
      'the least of all',
      { client: { maxLife: 7_000 }, granting: { maxLife: 8_000 } },
      { lifetime: 9_000 },
      7_000,
    ],
  ])('lives as long as one limit lets it: %s', async (_, limits, asked, life) => {
    const { context, question } = await realmOf(limits)
    const tgt = grantTgt(context, { ...question, ...asked })
    expect(tgt).toMatchObject({ startTime: START, endTime: START + life, service: local('krbtgt') })
  })

  it.each<[string, Limits, Partial<NewTgtQuestion>, number | null]>([
    ["the realm's", {}, {}, START + 7 * DAY],
    ["the realm's, when it was set", { maxRenew: DAY }, {}, START + DAY],
    ["the client's", { client: { maxRenew: 2 * DAY } }, {}, START + 2 * DAY],
    ["that of krbtgt's record", { granting: { maxRenew: 3 * DAY } }, {}, START + 3 * DAY],
    ['no further than its end, so not at all', { client: { maxRenew: 10 * HOUR } }, {}, null],
    ['not at all, for it was not asked for', {}, { renewable: false }, null],
  ])('is renewed as long as one limit lets it: %s', async (_, limits, asked, renewTill) => {
    const { context, question } = await realmOf(limits)
    expect(grantTgt(context, { ...question, ...asked })).toMatchObject({ renewTill })
  })

  it.each([
    [true, FLAG.PASSWORD],
    [false, 0],
  ])('says whether the key came from a password (%s), and nothing else', async (passwordBased, flags) => {
    const { realm, context, question } = await realmOf()
    const tgt = grantTgt(context, { ...question, passwordBased })
    expect(tgt).toMatchObject({ flags, claims: [], authTime: START + 1 })
    expect(await opened(realm, tgt.ticket)).toMatchObject({
      client: local('web'),
      clientId: question.client.clientId,
      caveats: [],
      flags,
      claims: [],
    })
  })

  it('is logged', async () => {
    const { realm, context, question } = await realmOf()
    const tgt = grantTgt(context, question)
    const client = local('web')
    const fields = {
      exchange: 'AS',
      client,
      address: ADDRESS,
      service: tgt.service,
      ticketId: idOf(tgt),
      endTime: tgt.endTime,
    }
    expect(realm.logger.lines.at(-1)).toEqual({ level: 'info', fields, message: 'ticket issued' })
  })

  it('is unavailable if the realm has lost its krbtgt', async () => {
    const { context } = await realmOf()
    const directory = Object.assign(Object.create(context.realm.directory), {
      principal: async () => undefined,
    })
    const broken = { ...context, realm: { ...context.realm, directory } }
    const unavailable = expect.objectContaining({ code: 'unavailable', final: false })
    await expect(ticketGranting(broken)).rejects.toEqual(unavailable)
  })
})

describe('a renewed TGT', () => {
  const LATER = START + 3 * HOUR
  it.each<[string, Limits, number, number, number]>([
    ["the realm's life", {}, START + DAY, 0, LATER + 10 * HOUR],
    ['its renewTill', {}, LATER + 5_000, 0, LATER + 5_000],
    ['1 ms, to its renewTill', {}, LATER + 1, 0, LATER + 1],
    ['what was asked for', {}, START + DAY, 4_000, LATER + 4_000],
    ["the client's maximum", { client: { maxLife: 6_000 } }, START + DAY, 0, LATER + 6_000],
    ["the client's expiry", { client: { expiresAt: LATER + 7_000 } }, START + DAY, 0, LATER + 7_000],
  ])('lives on for %s', async (_, limits, renewTill, lifetime, endTime) => {
    const { realm, context, question } = await realmOf(limits)
    const claims = [['role', 'admin']] as const
    const first = grantTgt(context, { ...question, passwordBased: true })
    const tgt = { ...(await opened(realm, first.ticket)), claims, renewTill }
    const renewed = renewTgt(context, { ...question, now: LATER, lifetime }, tgt)
    const kept = { authTime: START + 1, renewTill, flags: FLAG.PASSWORD, claims }
    expect(renewed).toMatchObject({ ...kept, startTime: LATER, endTime, service: local('krbtgt') })
    expect(idOf(renewed)).not.toBe(idOf(first))
    expect(await opened(realm, renewed.ticket)).toMatchObject({
      ...kept,
      endTime,
      client: local('web'),
      clientId: question.client.clientId,
      caveats: [],
    })
  })
})

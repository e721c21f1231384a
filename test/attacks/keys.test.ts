import { describe, expect, it } from 'vitest'
import { concatBytes } from '../../shared/bytes.js'
import { SCRYPT, TYPE } from '../../shared/constants.js'
import { LongTermKey, SessionKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { createError, openError } from '../../shared/encoding/error.js'
import { createMessage } from '../../shared/encoding/message.js'
import {
  createAsReply,
  decodeAsRequest,
  type VerifiedAsRequest,
  verifyAsRequest,
} from '../../shared/exchange/as.js'
import {
  createParamsReply,
  decodeParamsReply,
  type PasswordParameters,
} from '../../shared/exchange/params.js'
import { formatKeytab } from '../../shared/keytab/keytab.js'
import { kdcService } from '../../shared/principal.js'
import type { Grant } from '../../shared/ticket/grant.js'
import { sealTicket, type TicketContent } from '../../shared/ticket/ticket.js'
import { HOUR } from '../../shared/time.js'
import { openingOf } from '../kdc/socket.js'
import { startOwnKdc } from '../support/own-kdc.js'
import { keyOf, retired } from '../support/records.js'
import { addPerson, expectRefused, failureOf, Guarded, startTestRealm, startWorld } from '../support/world.js'
import { denialsOf, entryOf, HandClient, outcome, present } from './by-hand.js'

/** What an attacker can do with keys that were stolen, guessed, made up or made weak. */

function contentOf(grant: Grant, change: Partial<TicketContent>): TicketContent {
  const { ticketId, key, authTime, startTime, endTime } = grant
  const client = kdcService('test.example' as Parameters<typeof kdcService>[0])
  return {
    ticketId,
    client,
    clientId: new Uint8Array(8),
    key,
    authTime,
    startTime,
    endTime,
    renewTill: null,
    flags: 0,
    claims: [],
    caveats: [],
    ...change,
  }
}

describe('a golden ticket', () => {
  it('is accepted while its key is in use, and refused from the end of its kvno on', async () => {
    const own = await startOwnKdc()
    const { clock, kdc } = own
    const eve = await HandClient.connect(kdc.url, await own.add('eve'), clock)
    const [tgt] = await eve.grants()
    const stolen = (await own.record('krbtgt')).keys[0]
    if (stolen === undefined) throw new Error('no key')
    const { clientId } = await own.record('admin')
    const forge = (kvno: number): Grant => {
      const key = new SessionKey(systemRandom(32))
      const wishes = { client: own.admin.principal, clientId, key, endTime: clock.now() + 10_000 * HOUR }
      const content = contentOf(tgt, wishes)
      const sealed = sealTicket(tgt.service, kvno, stolen.key, content, systemRandom)
      return { ...tgt, key, ticket: sealed.bytes, endTime: content.endTime }
    }
    const services = [kdcService(kdc.realm)]
    // What a stolen krbtgt key is.
    expect(outcome(await eve.tgs(forge(1), { services }))).toBe('reply')
    const fresh = keyOf(2)
    await own.amend('krbtgt', record => ({
      ...record,
      keys: [fresh, ...record.keys.map(retired)],
      lastKvno: 2,
    }))
    expect(outcome(await eve.tgs(forge(1), { services }))).toBe('reply')
    expect(outcome(await eve.tgs(forge(2), { services }))).toBe('05 ticket_invalid')
    await own.amend('krbtgt', record => ({ ...record, keys: [fresh] }))
    for (const kvno of [1, 2, 3]) {
      expect(outcome(await eve.tgs(forge(kvno), { services })), `${kvno}`).toBe('05 ticket_invalid')
    }
    expect(outcome(await eve.tgs(tgt, { services }))).toBe('05 ticket_invalid')
    expect(outcome(await eve.tgs((await eve.grants())[0], { services }))).toBe('reply')
  })

  it('that got a ticket for administration opens no channel once the key of kdc is retired', async () => {
    const own = await startOwnKdc()
    const admin = await HandClient.connect(own.kdc.url, own.admin, own.clock)
    const ticket = await admin.ticket('kdc')
    const fresh = keyOf(2)
    await own.amend('kdc', record => ({ ...record, keys: [fresh], lastKvno: 2 }))
    const { request, key } = openingOf(ticket, { time: own.clock.now() })
    const error = openError(await admin.ask(request.bytes), key, request.mac)
    expect(error).toMatchObject({ code: 'ticket_invalid', authenticated: false })
  })
})

describe('an old key of a service', () => {
  it('opens nothing at the service that has a new one, though its thief makes the tickets', async () => {
    const { realm, web, http, kdc } = await startWorld()
    const old = entryOf(realm, 'orders')
    expect((await web.fetch(`${http.url}/7`)).status).toBe(200)
    const held = await (await HandClient.open(realm, 'web')).ticket('orders')
    await realm.administration.remove(old.principal)
    await realm.add('orders')
    expect(entryOf(realm, 'orders').kvno).toBe(2)
    const renewed = await Guarded.start(realm, 'orders')
    const time = realm.clock.now()
    expectRefused(await renewed.deliver(present(held, { time })), 'ticket_invalid', '05')
    for (const kvno of [1, 2]) {
      const content = contentOf(held, { client: entryOf(realm, 'web').principal })
      const ticket = sealTicket(old.principal, kvno, old.key, content, systemRandom)
      expectRefused(await renewed.deliver(present(held, { time, ticket })), 'ticket_invalid', '05')
    }
    expect(renewed.handled).toHaveLength(0)
    // The client's own ticket is refused as well: it gets another, and its GET arrives.
    http.intercept = request => renewed.deliver(request)
    const before = kdc.asked(TYPE.TGS_REQ).length
    expect((await web.fetch(`${http.url}/7`)).status).toBe(200)
    expect(kdc.asked(TYPE.TGS_REQ)).toHaveLength(before + 1)
    expect(renewed.handled).toHaveLength(1)
  })

  it('of a client logs nobody in', async () => {
    const { realm } = await startWorld()
    const old = entryOf(realm, 'web')
    await realm.administration.remove(old.principal)
    await realm.add('web')
    const thief = await HandClient.connect(realm.kdc.url, old, realm.clock)
    for (const kvno of [0, 1, 2, 3]) expect(outcome(await thief.login({ kvno }))).toBe('05 auth_failed')
    const keytab = { text: formatKeytab([old]) }
    const stale = await realm.connect('web', { keytab })
    expect(await failureOf(stale.getServiceTicket('orders'))).toMatchObject({
      code: 'auth_failed',
      final: false,
      facts: { claimed: 'auth_failed' },
    })
  })

  it('that was stolen reaches that service, and no other', async () => {
    const { realm, orders } = await startWorld()
    await realm.add('billing')
    const billing = await Guarded.start(realm, 'billing')
    const held = await (await HandClient.open(realm, 'web')).ticket('orders')
    const { key, principal } = entryOf(realm, 'orders')
    const silver = contentOf(held, { client: entryOf(realm, 'billing').principal })
    const time = realm.clock.now()
    const own = sealTicket(principal, 1, key, silver, systemRandom)
    expect((await orders.deliver(present(held, { time, ticket: own }))).status).toBe(200)
    const other = sealTicket(entryOf(realm, 'billing').principal, 1, key, silver, systemRandom)
    expectRefused(await billing.deliver(present(held, { time, ticket: other })), 'ticket_invalid', '05')
    expect(billing.handled).toHaveLength(0)
  })
})

describe('a fake KDC', () => {
  it('that lacks the client’s key cannot answer its login', async () => {
    const { kdc, realm } = await startWorld()
    const sealedBlind = (bytes: Uint8Array): Uint8Array => {
      const request = decodeAsRequest(bytes)
      const key = new LongTermKey(systemRandom(32))
      const reply = { time: realm.clock.now(), grants: [], denials: [] }
      return createAsReply(key, request as VerifiedAsRequest, reply, systemRandom)
    }
    const lies: ((bytes: Uint8Array) => Uint8Array)[] = [
      sealedBlind,
      () => concatBytes(new Uint8Array([1, TYPE.AS_REP]), systemRandom(400)),
      () => new Uint8Array([1, TYPE.AS_REP]),
      () => new Uint8Array(2),
      () => createMessage(TYPE.AS_REP, [realm.clock.now(), [], []]),
    ]
    for (const lie of lies) {
      kdc.upward = ({ id, message }, wire) => {
        wire.toClient({ id, message: lie(message) })
        return []
      }
      const web = await realm.connect('web', { kdc: kdc.url })
      const failure = await failureOf(web.getServiceTicket('orders'))
      expect(failure).toMatchObject({
        final: false,
        code: expect.stringMatching(/auth_failed|malformed|version/),
      })
      web.close()
    }
  })

  it('that has the client’s key cannot make a ticket that a service accepts', async () => {
    const { kdc, realm, orders, http } = await startWorld()
    const { key } = entryOf(realm, 'web')
    kdc.upward = ({ id, message }, wire) => {
      // What the KDC is asked after a service refused its ticket.
      if (message[1] === TYPE.TGS_REQ) {
        const refusal = { code: 'policy_denied', time: realm.clock.now(), floor: null, message: '' } as const
        wire.toClient({ id, message: createError(refusal) })
        return []
      }
      const request = verifyAsRequest(decodeAsRequest(message), key)
      const now = realm.clock.now()
      const invented = new LongTermKey(systemRandom(32))
      const times = { authTime: now, startTime: now, endTime: now + HOUR, renewTill: null }
      const grants = ['krbtgt@test.example', ...request.services].map(service => {
        const session = new SessionKey(systemRandom(32))
        const base = { ...times, key: session, ticketId: systemRandom(16), flags: 0, claims: [] }
        const content = { ...base, client: request.client, clientId: systemRandom(8), caveats: [] }
        const name = service as (typeof request.services)[number]
        return { ...base, service: name, ticket: sealTicket(name, 1, invented, content, systemRandom).bytes }
      })
      const reply = createAsReply(key, request, { time: now, grants, denials: [] }, systemRandom)
      wire.toClient({ id, message: reply })
      return []
    }
    const web = await realm.connect('web', { kdc: kdc.url, services: { [http.url]: 'orders' } })
    // The client cannot tell, because its key is no longer its own. The service can.
    expect((await web.getServiceTicket('orders')).client).toBe('web@test.example')
    const failure = await failureOf(web.fetch(`${http.url}/pay`, { method: 'POST', body: 'pay 5' }))
    expect(failure).toMatchObject({
      code: 'refused_unproved',
      final: false,
      facts: { claimed: 'ticket_invalid' },
    })
    expect(orders.handled).toHaveLength(0)
  })
})

describe('a person’s password', () => {
  /** A realm with a person, and what an attacker says about how her password becomes a key. */
  async function person(password?: string) {
    const world = await startWorld()
    if (password === undefined) await addPerson(world.realm, 'ann')
    else await world.realm.addPassword('ann', password)
    await world.realm.allow('ann', 'orders')
    const login = (parametersCache = new Map()) =>
      world.realm.connect('ann', {
        kdc: world.kdc.url,
        password: password ?? 'correct horse',
        parametersCache,
      })
    const tell = (change: (honest: PasswordParameters) => Uint8Array): void => {
      world.kdc.downward = ({ id, message }) => {
        if (message[1] !== TYPE.PARAMS_REP) return [{ id, message }]
        return [{ id, message: change(decodeParamsReply(message)) }]
      }
    }
    return { ...world, login, tell }
  }

  it('is not made into a key by weak or absurd parameters, and nothing to test guesses on is sent', async () => {
    const { kdc, login, tell } = await person()
    const wrong: Partial<PasswordParameters>[] = [
      { log2N: 0 },
      { log2N: 1 },
      { log2N: SCRYPT.LOG2N - 1 },
      { log2N: SCRYPT.LOG2N_MAX + 1 },
      { log2N: 63 },
      { log2N: Number.MAX_SAFE_INTEGER },
      { r: 0 },
      { r: 1 },
      { r: 9 },
      { r: 2 ** 30 },
      { p: 0 },
      { p: 2 },
      { p: 2 ** 30 },
    ]
    const ann = await login()
    for (const change of wrong) {
      tell(honest => createParamsReply({ ...honest, ...change }))
      const failure = await failureOf(ann.getServiceTicket('orders'))
      expect(failure, JSON.stringify(change)).toMatchObject({ code: 'refused_unproved', final: true })
    }
    const forms = [
      createMessage(TYPE.PARAMS_REP, ['md5', 17, 8, 1, systemRandom(16)]),
      createMessage(TYPE.PARAMS_REP, ['scrypt', 17, 8, 1, new Uint8Array()]),
      createMessage(TYPE.PARAMS_REP, ['scrypt', 17, 8, 1, systemRandom(17)]),
      createMessage(TYPE.PARAMS_REP, ['scrypt', 17, 8, 1]),
      createMessage(TYPE.PARAMS_REP, ['scrypt', '17', 8, 1, systemRandom(16)]),
    ]
    for (const form of forms) {
      tell(() => form)
      expect(await failureOf(ann.getServiceTicket('orders'))).toMatchObject({ code: 'malformed' })
    }
    expect(kdc.asked(TYPE.AS_REQ)).toHaveLength(0)
  })

  it('is not used with another salt than at the first login', async () => {
    const { kdc, login, tell } = await person('correct horse')
    const parametersCache = new Map()
    await (await login(parametersCache)).getServiceTicket('orders')
    const before = kdc.asked(TYPE.AS_REQ).length
    const changes: Partial<PasswordParameters>[] = [{ salt: systemRandom(16) }, { log2N: 18 }]
    for (const change of changes) {
      tell(honest => createParamsReply({ ...honest, ...change }))
      const ann = await login(parametersCache)
      const failure = await failureOf(ann.getServiceTicket('orders'))
      expect(failure).toMatchObject({ code: 'refused_unproved', final: true })
    }
    expect(kdc.asked(TYPE.AS_REQ)).toHaveLength(before)
  })

  it('protects no service, so nobody gets a ticket to test guesses on', async () => {
    const { realm, kdc } = await person()
    await realm.allow('*', '*')
    await realm.allow('web', 'ann')
    const web = await realm.connect('web', { kdc: kdc.url })
    expect(await failureOf(web.getServiceTicket('ann'))).toMatchObject({ code: 'policy_denied', final: true })
    const hand = await HandClient.open(realm, 'web')
    const ann = 'ann@test.example' as HandClient['principal']
    expect(denialsOf(await hand.login({ services: [ann] }))).toEqual(['ann policy_denied'])
    const [tgt] = await hand.grants()
    expect(denialsOf(await hand.tgs(tgt, { services: [ann] }))).toEqual(['ann policy_denied'])
  })

  it('gives nothing to test guesses on without a proof: each answer is the same for everybody', async () => {
    const { realm } = await person()
    const ann = 'ann@test.example' as HandClient['principal']
    const stranger = { principal: ann, kvno: 0, key: new LongTermKey(systemRandom(32)) }
    const eve = await HandClient.connect(realm.kdc.url, stranger, realm.clock)
    for (const question of [{}, { time: 1 }, { renewable: true }, { services: [ann] }]) {
      const answer = await eve.login(question)
      expect(outcome(answer)).toBe('05 auth_failed')
      expect(answer.bytes[1]).toBe(TYPE.ERROR)
    }
  })
})

describe('a keytab', () => {
  it('of one principal does not become that of another by renaming a line', async () => {
    const realm = await startTestRealm()
    await realm.add('web', 'admin2')
    const text = realm.keytab('web').replace('web@', 'admin2@')
    expect(await failureOf(realm.connect('web', { keytab: { text } }))).toMatchObject({
      code: 'keytab_invalid',
    })
    const later = realm.keytab('web').replace(' 1 ', ' 2 ')
    expect(await failureOf(realm.connect('web', { keytab: { text: later } }))).toMatchObject({
      code: 'keytab_invalid',
      final: true,
    })
  })

  it('that was cut off anywhere is refused by client and service', async () => {
    const realm = await startTestRealm()
    await realm.add('web')
    const whole = realm.keytab('web')
    for (let length = 0; length < whole.length; length++) {
      const keytab = { text: whole.slice(0, length) }
      const failures = [realm.connect('web', { keytab }), realm.loadService('web', { keytab })]
      for (const failure of await Promise.all(failures.map(failureOf))) {
        expect(failure, `${length}`).toMatchObject({ code: 'keytab_invalid', final: true })
      }
    }
  })
})

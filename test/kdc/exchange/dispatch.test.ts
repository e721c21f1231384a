import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createDispatch } from '../../../kdc/exchange/dispatch.js'
import { openRealm } from '../../../kdc/realm/realm.js'
import { Vault } from '../../../kdc/vault/vault.js'
import { LIMIT, TYPE } from '../../../shared/constants.js'
import { deriveAuthKey } from '../../../shared/crypto/derive.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { encode, type Value } from '../../../shared/encoding/encoding.js'
import {
  createAuthenticatedError,
  createError,
  openError,
  openUnauthenticatedError,
} from '../../../shared/encoding/error.js'
import { createMessage } from '../../../shared/encoding/message.js'
import { OrthrusError } from '../../../shared/errors.js'
import { createApAccept, createApReply, createApRequest } from '../../../shared/exchange/ap.js'
import { createAsRequest } from '../../../shared/exchange/as.js'
import { createParamsReply, createParamsRequest } from '../../../shared/exchange/params.js'
import { createTgsRequest } from '../../../shared/exchange/tgs.js'
import { decodeTicket } from '../../../shared/ticket/ticket.js'
import {
  ADDRESS,
  grantOf,
  type Identity,
  local,
  login,
  START,
  type TestRealm,
  testRealm,
} from '../../support/realm.js'

interface Scene extends TestRealm {
  readonly web: Identity
  readonly messages: ReadonlyMap<string, Uint8Array>
}

/** One message of every type that the protocol has, each valid where it belongs. */
async function scene(): Promise<Scene> {
  const realm = await testRealm()
  const web = await realm.add('web')
  const asRequest = createAsRequest(web.key, {
    client: web.principal,
    kvno: 1,
    time: START,
    nonce: systemRandom(16),
    services: [local('kdc')],
    lifetime: 0,
    renewable: true,
  })
  const tgt = grantOf(await login(realm, web))
  const key = deriveAuthKey(tgt.key, [])
  const ticket = decodeTicket(tgt.ticket)
  const common = { caveats: [], time: START, nonce: systemRandom(16) }
  const tgsRequest = createTgsRequest(key, ticket, { ...common, services: [], lifetime: 0, renew: false })
  const ap = { ...common, ticket, binding: systemRandom(32), delegated: null }
  const apRequest = createApRequest(TYPE.AP_REQ, key, ap)
  const error = { code: 'replay' as const, time: START, floor: null, message: '' }
  const messages = new Map([
    ['AS-REQ', asRequest.bytes],
    ['AS-REP', await realm.dispatch(asRequest.bytes, ADDRESS)],
    ['TGS-REQ', tgsRequest.bytes],
    ['TGS-REP', await realm.dispatch(tgsRequest.bytes, ADDRESS)],
    ['ERROR 05', createError(error)],
    ['ERROR 06', createAuthenticatedError(key, tgsRequest.mac, error)],
    ['TICKET', tgt.ticket],
    ['AP-REQ', apRequest.bytes],
    ['AP-REP', createApReply(key, apRequest.mac, { time: START, binding: systemRandom(32) })],
    ['AP-OPEN', createApRequest(TYPE.AP_OPEN, key, ap).bytes],
    ['AP-ACCEPT', createApAccept(key, apRequest.mac, { time: START, nonce: systemRandom(16) })],
    ['RECORD', new Uint8Array([1, TYPE.RECORD, ...systemRandom(40)])],
    ['PARAMS-REQ', createParamsRequest(web.principal)],
    ['PARAMS-REP', createParamsReply({ log2N: 17, r: 8, p: 1, salt: systemRandom(16) })],
  ])
  return { ...realm, web, messages }
}

const ANSWERED = ['AS-REQ', 'TGS-REQ', 'PARAMS-REQ']
const REPLIES: Record<string, number> = {
  'AS-REQ': TYPE.AS_REP,
  'TGS-REQ': TYPE.TGS_REP,
  'PARAMS-REQ': TYPE.PARAMS_REP,
}

describe("the KDC's entry", () => {
  it('answers the three requests and accepts nothing else as one', async () => {
    const { dispatch, messages } = await scene()
    expect(messages.size).toBe(14)
    for (const [name, bytes] of messages) {
      const answer = await dispatch(bytes, ADDRESS)
      if (ANSWERED.includes(name)) expect(answer[1], name).toBe(REPLIES[name])
      else expect(openUnauthenticatedError(answer).code, name).toBe('malformed')
    }
  })

  it('accepts no body under another type', async () => {
    const { dispatch, messages } = await scene()
    for (const [name, bytes] of messages) {
      for (const type of [TYPE.AS_REQ, TYPE.TGS_REQ, TYPE.PARAMS_REQ]) {
        if (bytes[1] === type) continue
        const renamed = bytes.slice()
        renamed[1] = type
        const { code } = openUnauthenticatedError(await dispatch(renamed, ADDRESS))
        expect(['malformed', 'auth_failed', 'ticket_invalid'], `${name} as ${type}`).toContain(code)
      }
    }
  })

  it('refuses its own answers as malformed', async () => {
    const { dispatch, messages } = await scene()
    for (const bytes of messages.values()) {
      const answer = await dispatch(bytes, ADDRESS)
      expect(openUnauthenticatedError(await dispatch(answer, ADDRESS)).code).toBe('malformed')
    }
  })

  it.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(), 'malformed'],
    ['a version alone', new Uint8Array([1]), 'malformed'],
    ['another version', new Uint8Array([2, 1, 0x90]), 'unsupported_version'],
    ['another version of an unknown type', new Uint8Array([0, 255]), 'unsupported_version'],
    ['an unknown type', new Uint8Array([1, 0x0f, 0x90]), 'malformed'],
    ['type 0', new Uint8Array([1, 0]), 'malformed'],
    ['one byte too many, even of another version', new Uint8Array(LIMIT.MESSAGE_BYTES + 1), 'too_large'],
    ['as many bytes as there may be', new Uint8Array(LIMIT.MESSAGE_BYTES).fill(1), 'malformed'],
    ['60,000 nested lists', new Uint8Array(60_000).fill(0x91).fill(1, 0, 2), 'malformed'],
    [
      'PARAMS for a name outside the grammar',
      createMessage(TYPE.PARAMS_REQ, ['Web@demo.example']),
      'malformed',
    ],
    ['PARAMS for __proto__', createMessage(TYPE.PARAMS_REQ, ['__proto__']), 'malformed'],
    ['PARAMS with a field more', createMessage(TYPE.PARAMS_REQ, ['web@demo.example', 1]), 'malformed'],
  ])('answers %s', async (_, bytes, expected) => {
    const { dispatch } = await testRealm()
    const error = openUnauthenticatedError(await dispatch(bytes, ADDRESS))
    expect(error).toEqual({ code: expected, time: START, floor: null, message: '', authenticated: false })
  })

  it('survives each field left out in turn, and each of another type', async () => {
    const { dispatch } = await testRealm()
    const body: Value[] = ['web@demo.example', 1, START, systemRandom(16), [], 0, 0]
    for (const type of [TYPE.AS_REQ, TYPE.TGS_REQ]) {
      for (let i = 0; i < body.length; i++) {
        for (const other of [undefined, null, true, '', [], [[[]]], 2 ** 53 - 1, new Uint8Array(3)]) {
          const fields = other === undefined ? body.toSpliced(i, 1) : body.with(i, other)
          const bytes = new Uint8Array([1, type, ...encode(fields), ...systemRandom(32)])
          const { code } = openUnauthenticatedError(await dispatch(bytes, ADDRESS))
          expect(['malformed', 'auth_failed', 'ticket_invalid']).toContain(code)
        }
      }
    }
  })

  it('never throws, whatever the bytes', async () => {
    const { dispatch, messages } = await scene()
    const valid = fc.constantFrom(...messages.values())
    const edit = fc.record({
      at: fc.nat(),
      byte: fc.nat(255),
      kind: fc.constantFrom('set', 'cut', 'insert', 'double'),
    })
    const mutated = fc.tuple(valid, fc.array(edit, { minLength: 1, maxLength: 4 })).map(([bytes, edits]) => {
      let changed = [...bytes]
      for (const { at, byte, kind } of edits) {
        const i = at % Math.max(1, changed.length)
        if (kind === 'set') changed[i] = byte
        if (kind === 'cut') changed = changed.slice(0, i)
        if (kind === 'insert') changed.splice(i, 0, byte)
        if (kind === 'double') changed.push(...changed.slice(i))
      }
      return Uint8Array.from(changed)
    })
    const headed = fc
      .tuple(fc.constantFrom(1, 3, 13), fc.uint8Array({ maxLength: 200 }))
      .map(([type, rest]) => new Uint8Array([1, type, ...rest]))
    await fc.assert(
      fc.asyncProperty(fc.oneof(mutated, headed, fc.uint8Array({ maxLength: 64 })), async bytes => {
        const answer = await dispatch(bytes, ADDRESS)
        expect([TYPE.ERROR, TYPE.ERROR_AUTHENTICATED, ...Object.values(REPLIES)]).toContain(answer[1])
      }),
      { numRuns: 1500 },
    )
  })

  it('answers unavailable when the store fails, and says why only in the log', async () => {
    const realm = await scene()
    const failing = {
      ...realm.store,
      get: () => Promise.reject(new OrthrusError('unavailable', 'the disk is on fire')),
      list: realm.store.list.bind(realm.store),
      watch: realm.store.watch.bind(realm.store),
    }
    const opened = await openRealm({ vault: realm.vault, clock: realm.clock, random: systemRandom })
    const vault = new Vault(failing as typeof realm.store, realm.masterKey, systemRandom)
    const { Directory } = await import('../../../kdc/realm/directory.js')
    const context = { ...realm.context, realm: { ...opened, vault, directory: new Directory(vault) } }
    const dispatch = createDispatch(context)
    for (const name of ANSWERED) {
      const answer = openUnauthenticatedError(
        await dispatch(realm.messages.get(name) ?? new Uint8Array(), ADDRESS),
      )
      expect(answer).toMatchObject({ code: 'unavailable', message: '' })
    }
    expect(realm.logger.lines.filter(({ level }) => level === 'error')).toHaveLength(3)
    expect(realm.logger.lines.at(-1)?.fields).toMatchObject({ reason: 'the disk is on fire' })
  })

  it('answers unavailable if something fails unexpectedly, whether the request is proved or not', async () => {
    const realm = await scene()
    let broken = false
    const random = (length: number): Uint8Array => {
      if (broken) throw new RangeError('out of entropy')
      return systemRandom(length)
    }
    const dispatch = createDispatch({ ...realm.context, random })
    broken = true
    const request = createAsRequest(realm.web.key, {
      client: realm.web.principal,
      kvno: 1,
      time: START,
      nonce: systemRandom(16),
      services: [],
      lifetime: 0,
      renewable: false,
    })
    const answer = await dispatch(request.bytes, ADDRESS)
    expect(openError(answer, realm.web.key, request.mac)).toMatchObject({
      code: 'unavailable',
      authenticated: true,
    })
    expect(realm.logger.lines.at(-1)).toMatchObject({
      level: 'error',
      fields: { client: 'web@demo.example' },
    })
  })
})

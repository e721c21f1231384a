import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../../shared/bytes.js'
import { channelBinding, RecordChannel, startChannel } from '../../../shared/channel/records.js'
import { TYPE } from '../../../shared/constants.js'
import { deriveAuthKey, deriveChannelKey, expand } from '../../../shared/crypto/derive.js'
import { SessionKey } from '../../../shared/crypto/keys.js'
import { openCounted } from '../../../shared/crypto/seal-counted.js'
import { header } from '../../../shared/encoding/message.js'
import { decodeApRequest, openApAccept, verifyApRequest } from '../../../shared/exchange/ap.js'
import { parsePrincipal } from '../../../shared/principal.js'
import { hex, vectors } from '../../vectors.js'

const v = vectors<{
  bindings: { target: string; binding: string }[]
  sessionKey: string
  apOpen: string
  apAccept: string
  clientToService: string
  serviceToClient: string
  records: { direction: string; counter: number; kind: number; payload: string; bytes: string }[]
  brokenAsFirstRecordOfTheClient: { why: string; bytes: string }[]
}>('channel')

const web = parsePrincipal('web@demo.example')
const key = deriveAuthKey(new SessionKey(hex(v.sessionKey)), [])
const pair = (maxMessage = 1024) => ({
  client: startChannel('client', key, hex(v.apOpen), hex(v.apAccept), maxMessage),
  service: startChannel('service', key, hex(v.apOpen), hex(v.apAccept), maxMessage),
})
const recordsOf = (direction: string) =>
  v.records
    .filter(record => record.direction === direction && record.counter < 100)
    .map(record => hex(record.bytes))

const broken = expect.objectContaining({ code: 'channel_broken' })
const text = (words: string) => new TextEncoder().encode(words)

describe('channel vectors', () => {
  it.each(v.bindings)('binding of "$target"', ({ target, binding }) => {
    expect(toHex(channelBinding(target))).toBe(binding)
  })

  it('open and accept', () => {
    const open = decodeApRequest(TYPE.AP_OPEN, hex(v.apOpen))
    expect(verifyApRequest(open, key, web)).toBe(open)
    expect(openApAccept(key, open.mac, hex(v.apAccept)).time).toBeGreaterThan(0)
    const channelKey = deriveChannelKey(key, hex(v.apOpen), hex(v.apAccept))
    expect(toHex(expand(channelKey, 'client-to-service'))).toBe(v.clientToService)
    expect(toHex(expand(channelKey, 'service-to-client'))).toBe(v.serviceToClient)
  })

  it('records of the client', () => {
    const { client, service } = pair()
    const [greeting, hello, first, last, end] = recordsOf('client-to-service') as [
      Uint8Array,
      ...Uint8Array[],
    ]
    expect(client.sealGreeting()).toEqual(greeting)
    expect(client.sealMessage(text('hello'))).toEqual([hello])
    expect(service.open(greeting)).toBeUndefined()
    expect(service.open(hello as Uint8Array)).toEqual({ kind: 'message', message: text('hello') })
    expect(service.open(first as Uint8Array)).toBeUndefined()
    expect(service.open(last as Uint8Array)).toEqual({
      kind: 'message',
      message: text('first part, last part'),
    })
    expect(() => service.requireEnded()).toThrow(broken)
    expect(service.open(end as Uint8Array)).toEqual({ kind: 'end' })
    service.requireEnded()
  })

  it('records of the service', () => {
    const { client, service } = pair()
    const [hello, end] = recordsOf('service-to-client')
    expect(service.sealMessage(text('hello yourself'))).toEqual([hello])
    expect(service.sealEnd()).toEqual(end)
    expect(client.open(hello as Uint8Array)).toEqual({ kind: 'message', message: text('hello yourself') })
    expect(client.open(end as Uint8Array)).toEqual({ kind: 'end' })
  })

  it('a counter beyond 32 bits', () => {
    const far = v.records.find(record => record.counter > 2 ** 32)
    const plaintext = openCounted(
      hex(v.clientToService),
      far?.counter ?? 0,
      header(TYPE.RECORD),
      hex(far?.bytes ?? '').subarray(2),
    )
    expect(toHex(plaintext ?? new Uint8Array())).toBe(`00${far?.payload}`)
  })

  it.each(v.brokenAsFirstRecordOfTheClient)('broken: $why', ({ bytes }) => {
    const { service } = pair()
    expect(() => service.open(hex(bytes))).toThrow(broken)
    expect(() => service.open(recordsOf('client-to-service')[0] as Uint8Array)).toThrow(broken)
    expect(() => service.sealMessage(text('x'))).toThrow(broken)
  })
})

describe('a channel', () => {
  it('carries messages of any size up to the limit, in parts', () => {
    const sizes = fc.array(fc.oneof(fc.nat(300), fc.constantFrom(65_516, 65_517, 65_518, 131_034, 200_000)), {
      maxLength: 5,
    })
    fc.assert(
      fc.property(sizes, all => {
        const { client, service } = pair(200_000)
        for (const size of all) {
          const message = new Uint8Array(size).map((_, i) => i * 7)
          const events = client.sealMessage(message).map(record => {
            expect(record.length).toBeLessThanOrEqual(65_536)
            return service.open(record)
          })
          const last = events.pop()
          expect(last?.kind === 'message' && Buffer.compare(last.message, message)).toBe(0)
          expect(events.every(event => event === undefined)).toBe(true)
        }
      }),
      { numRuns: 20 },
    )
  })

  it('seals in parts the bytes that it seals in one', () => {
    const [whole, apart] = [pair().client, pair().client]
    for (const size of [0, 1, 8_192, 8_193, 65_515, 65_516, 65_517, 200_000]) {
      const message = new Uint8Array(size).map((_, i) => i * 7)
      const inParts = apart.sealMessageApart(message).map(parts => Buffer.concat(parts))
      expect(inParts.map(toHex)).toEqual(whole.sealMessage(message).map(toHex))
    }
    // The message may be overwritten as soon as it is sealed.
    const message = new Uint8Array(9_000).fill(1)
    const sealed = apart.sealMessageApart(message)
    message.fill(2)
    expect(Buffer.concat(sealed[0] ?? []).equals(whole.sealMessage(message.fill(1))[0] as Uint8Array)).toBe(
      true,
    )
  })

  it('hands on a large message in memory of its own, and nothing of one that was altered', () => {
    const { client, service } = pair(65_516)
    const [record = new Uint8Array()] = client.sealMessage(new Uint8Array(65_516).fill(9))
    const event = service.open(record)
    // Where it came from is used for what comes next.
    record.fill(0)
    expect(event?.kind === 'message' && event.message.every(byte => byte === 9)).toBe(true)
    expect(event?.kind === 'message' && event.message.buffer.byteLength).toBe(65_516)
    const [altered = new Uint8Array()] = client.sealMessage(new Uint8Array(65_516))
    altered[altered.length - 1] = (altered.at(-1) as number) ^ 1
    expect(() => service.open(altered)).toThrow(broken)
  })

  it('accepts a message at the limit and breaks on one byte more', () => {
    const { client, service } = pair(100)
    expect(service.open(client.sealMessage(new Uint8Array(100))[0] as Uint8Array)).toMatchObject({
      kind: 'message',
    })
    expect(() => service.open(client.sealMessage(new Uint8Array(101))[0] as Uint8Array)).toThrow(broken)
  })

  it.each(['dropped', 'doubled', 'swapped', 'reflected'])('breaks on a record that is %s', how => {
    const { client, service } = pair()
    const [first, second] = [client.sealGreeting(), client.sealMessage(text('x'))[0] as Uint8Array]
    const arriving =
      { dropped: [second], doubled: [first, first], swapped: [second, first], reflected: [] }[how] ?? []
    if (how === 'reflected') expect(() => client.open(first)).toThrow(broken)
    else expect(() => arriving.map(record => service.open(record))).toThrow(broken)
  })

  it('ends once', () => {
    const { client, service } = pair()
    service.open(client.sealEnd())
    expect(() => client.sealMessage(text('x'))).toThrow(TypeError)
    expect(() => service.open(client.sealEnd())).toThrow(TypeError)
  })

  it('hands nothing on of a message that was cut off', () => {
    const client = new RecordChannel({
      role: 'client',
      key: deriveChannelKey(key, text('a'), text('b')),
      maxMessage: 200_000,
    })
    const service = new RecordChannel({
      role: 'service',
      key: deriveChannelKey(key, text('a'), text('b')),
      maxMessage: 200_000,
    })
    const [part] = client.sealMessage(new Uint8Array(100_000))
    expect(service.open(part as Uint8Array)).toBeUndefined()
    expect(() => service.open(client.sealEnd())).toThrow(broken)
  })
})

import { describe, expect, it } from 'vitest'
import { type FetchHandler, requireTicket } from '../../../service/fetch-handler.js'
import { StreamOpener, StreamSealer } from '../../../shared/channel/sealed-stream.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { RECORDS, responseBinding } from '../../../shared/http/binding.js'
import { parseMessageHeader } from '../../../shared/http/headers.js'
import { failureOf } from '../../support/failure.js'
import { turns } from '../../support/turns.js'
import { headerOf, proofOf, type SignedRequest } from '../realm.js'
import { received, requestOf, type Setting, type StartedGate, start, streaming } from './setting.js'

/** Sealed bodies of plain objects of the platform: what becomes of them when the handler has answered. */

const MINUTE = 60_000
const broken = (reason: string) =>
  expect.objectContaining({ code: 'channel_broken', reason: expect.stringContaining(reason) })

const messageOf = (signed: SignedRequest): Uint8Array =>
  parseMessageHeader(headerOf(signed, 'authorization')) ?? expect.unreachable('it has no AP-REQ')

/** A sealed request whose body comes as it is written. */
function sealedRequest({ realm }: Pick<StartedGate, 'realm'>) {
  const headers = [['content-encoding', 'orthrus']] as const
  const { body: _, ...signed } = realm.sign({ method: 'POST', headers, body: RECORDS as never })
  const basis = { key: signed.key, direction: 'client-to-service', messages: [messageOf(signed)] } as const
  const sealer = new StreamSealer(basis, systemRandom)
  let controller!: ReadableStreamDefaultController<Uint8Array>
  let isCancelled = false
  const body = new ReadableStream<Uint8Array>({
    start: made => {
      controller = made
      made.enqueue(sealer.salt)
    },
    cancel: () => {
      isCancelled = true
    },
  })
  return {
    signed,
    request: requestOf(signed, streaming(body)),
    write: (text: string) => {
      for (const frame of sealer.seal(Buffer.from(text))) controller.enqueue(frame)
    },
    close: () => {
      controller.enqueue(sealer.sealEnd())
      controller.close()
    },
    isCancelled: () => isCancelled,
  }
}

async function started(handler: FetchHandler<[]>, setting: Setting = {}) {
  const gate = await start({ ...setting, handler })
  return { ...gate, ...sealedRequest(gate) }
}

describe('a sealed request', () => {
  it('that nobody has read when it is answered is given up, and the rest of it is left unread', async () => {
    let handed!: Request
    const { guarded, request, write, isCancelled } = await started(given => {
      handed = given
      return new Response('thanks')
    })
    write('one')
    expect((await guarded(request)).status).toBe(200)
    expect(await failureOf(handed.text())).toEqual(broken('what it belongs to is over'))
    expect(isCancelled()).toBe(false)
  })

  it('may be read on behind the answer, for as long as somebody does', async () => {
    let reader!: ReadableStreamDefaultReader<Uint8Array>
    const { guarded, request, write, clock } = await started(async given => {
      reader = (given.body as ReadableStream<Uint8Array>).getReader()
      await reader.read()
      return new Response('thanks')
    })
    write('one')
    expect((await guarded(request)).status).toBe(200)
    for (const piece of ['two', 'three']) {
      clock.advance(MINUTE - 1)
      write(piece)
      expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe(piece)
      await turns(1)
    }
    clock.advance(2 * MINUTE)
    await turns(1)
    expect(await failureOf(reader.read())).toEqual(broken('what it belongs to is over'))
  })

  it('whose rest its handler does not want is left unread, and answered', async () => {
    const { guarded, request, write, isCancelled } = await started(async given => {
      await given.body?.cancel()
      return new Response('enough')
    })
    write('one')
    expect(await (await guarded(request)).text()).toBe('enough')
    expect(isCancelled()).toBe(false)
  })

  it('is read behind a gate further in', async () => {
    const gate: StartedGate = await start({
      handler: given =>
        requireTicket({ service: gate.service }, async inner => new Response(await inner.text()))(given),
    })
    const { request, write, close } = sealedRequest(gate)
    write('one')
    close()
    expect(await (await gate.guarded(request)).text()).toBe('one')
  })
})

describe('a response to a client that would read others too', () => {
  const accepting = [['orthrus-accept', 'records']] as const

  it.each<[string, Response, boolean, boolean]>([
    ['with a body', new Response('x'), false, true],
    ['without one', new Response(null), false, false],
    ['without one, where all are sealed', new Response(null), true, true],
  ])('%s is sealed or not', async (_, response, sealResponses, isSealed) => {
    const { realm, guarded } = await start({ handler: () => response, sealResponses })
    const signed = realm.sign({ headers: accepting })
    const raw = await received(await guarded(requestOf(signed)))
    expect(headerOf(raw, 'content-encoding')).toBe(isSealed ? 'orthrus' : undefined)
    const { binding } = proofOf(raw, signed)
    const covered = isSealed ? RECORDS : raw.body
    expect(Buffer.from(binding)).toEqual(Buffer.from(responseBinding(raw.status, raw.headers, covered)))
    if (!isSealed) return
    const reply = parseMessageHeader(headerOf(raw, 'authentication-info')) ?? new Uint8Array()
    const opener = new StreamOpener({
      key: signed.key,
      direction: 'service-to-client',
      messages: [messageOf(signed), reply],
    })
    const pieces: string[] = []
    opener.open(raw.body, piece => pieces.push(Buffer.from(piece).toString()))
    opener.requireEnded()
    expect(pieces.join('')).toBe(response.body === null ? '' : 'x')
  })

  it('is collected for one that says something else', async () => {
    const { realm, guarded } = await start({ sealResponses: true })
    const signed = realm.sign({ headers: [['orthrus-accept', 'other']] })
    const raw = await received(await guarded(requestOf(signed)))
    expect([headerOf(raw, 'content-encoding'), raw.body.toString()]).toEqual([undefined, 'hello'])
  })
})

import { TYPE } from '../../shared/constants.js'
import type { Value } from '../../shared/encoding/encoding.js'
import { createMessage } from '../../shared/encoding/message.js'
import { formatMessageHeader } from '../../shared/http/headers.js'
import { decodeTicket } from '../../shared/ticket/ticket.js'
import { quietly } from './attacker.js'
import { among, type Kind } from './deed.js'
import type { Asking } from './due.js'
import { type CHANGES, changed } from './network-deeds.js'
import type { Letter } from './service-host.js'
import { bodyOf, messageIn, readAp } from './view.js'

/** What the attacker makes of messages that it saw, without a key. */

const MAC_BYTES = 32

type Change = (typeof CHANGES)[number]

export const replay: Kind<{ readonly letter: number; readonly service: string | null }> = {
  name: 'a request is shown again',
  async act({ world }, { letter, service }) {
    const seen = among(world.letters, letter)
    if (seen === undefined) return false
    await world.present(service ?? seen.service, seen.letter)
    return true
  },
}

export const replayOld: Kind<{ readonly letter: number; readonly beyond: number }> = {
  name: 'a request is shown when it is about to be forgotten',
  async act({ world }, { letter, beyond }) {
    const seen = among(world.letters, letter)
    const bytes = seen && messageIn(seen.letter)
    const view = bytes && readAp(bytes)
    if (seen === undefined || view === undefined) return false
    const wait = view.time + 60_000 + beyond - world.host(seen.service).clock.now()
    if (wait <= 0 || wait > 70_000) return false
    world.pass(wait)
    await world.present(seen.service, seen.letter)
    return true
  },
}

export const alter: Kind<{ readonly letter: number; readonly part: string; readonly other: Asking }> = {
  name: 'a request is altered on its way',
  async act({ world }, { letter, part, other }) {
    // Preferably one that nobody has presented yet: of all others the service knows the MAC.
    const fresh = world.letters.filter(({ answers }) => answers.length === 0)
    const seen = among(fresh.length > 0 ? fresh : world.letters, letter)
    if (seen === undefined) return false
    const altered: Letter = { ...seen.letter, ...partOf(seen.letter, part, other) }
    await world.present(seen.service, altered)
    return true
  },
}

function partOf({ headers }: Letter, part: string, { method, target, body }: Asking): Partial<Letter> {
  if (part === 'method') return { method }
  if (part === 'target') return { target }
  if (part === 'body') return { body: `${body}!` }
  if (part === 'override') return { headers: [...headers, ['x-http-method-override', 'DELETE']] }
  const others = headers.filter(([name]) => name !== 'content-type')
  if (part === 'credential') return { headers: withCredential(headers, body) }
  if (part === 'added header') return { headers: [...headers, ['range', 'bytes=0-1']] }
  return { headers: [['content-type', 'application/json'], ...others] }
}

/** A credential that was sealed for somebody is cut off, or one is put there. */
function withCredential(headers: Letter['headers'], text: string): Letter['headers'] {
  const others = headers.filter(([name]) => name !== 'orthrus-credential')
  const other = Buffer.from(`sealed ${text}`).toString('base64url')
  return others.length < headers.length ? others : [...headers, ['orthrus-credential', other]]
}

/** The letter with another message in `Authorization`. */
function bearing(letter: Letter, bytes: Uint8Array): Letter {
  const others = letter.headers.filter(([name]) => name !== 'authorization')
  return { ...letter, headers: [...others, ['authorization', formatMessageHeader(bytes)]] }
}

export const mutate: Kind<{
  readonly letter: number
  readonly how: Change
  readonly at: number
}> = {
  name: 'bytes of a request are changed',
  async act({ world }, { letter, how, at }) {
    const seen = among(world.letters, letter)
    const bytes = seen && messageIn(seen.letter)
    if (seen === undefined || bytes === undefined || bytes.length === 0) return false
    await world.present(seen.service, bearing(seen.letter, changed(bytes, { how, at })))
    return true
  },
}

export const splice: Kind<{
  readonly one: number
  readonly other: number
  /** A bit for each field, the MAC, and the rest of the request: which of the two it comes from. */
  readonly mask: number
}> = {
  name: 'halves of two requests are put together',
  async act({ world }, { one, other, mask }) {
    const [a, b] = [among(world.letters, one), among(world.letters, other)]
    const [first, second] = [a, b].map(seen => seen && messageIn(seen.letter))
    if (a === undefined || b === undefined || first === undefined || second === undefined) return false
    const [body, behind] = [bodyOf(first), bodyOf(second)]
    if (body?.length !== 6 || behind?.length !== 6) return false
    const mixed = body.map((value, i) => ((mask >> i) & 1 ? (behind[i] as Value) : value))
    const mac = ((mask >> 6) & 1 ? second : first).subarray(-MAC_BYTES)
    const bytes = new Uint8Array([...createMessage(TYPE.AP_REQ, mixed), ...mac])
    await world.present(a.service, bearing(((mask >> 7) & 1 ? b : a).letter, bytes))
    return true
  },
}

export const rename: Kind<{ readonly letter: number; readonly service: string; readonly kvno: number }> = {
  name: 'a ticket is renamed in the clear',
  async act({ world }, { letter, service, kvno }) {
    const seen = among(world.letters, letter)
    const bytes = seen && messageIn(seen.letter)
    const body = bytes && bodyOf(bytes)
    if (seen === undefined || bytes === undefined || body?.length !== 6) return false
    const sealed = quietly(() => decodeTicket(body[0] as Uint8Array))
    if (sealed === undefined) return false
    const ticket = createMessage(TYPE.TICKET, [service, kvno, sealed.box])
    const message = createMessage(TYPE.AP_REQ, [ticket, ...body.slice(1)])
    const renamed = new Uint8Array([...message, ...bytes.subarray(-MAC_BYTES)])
    await world.present(service, bearing(seen.letter, renamed))
    return true
  },
}

export const confuse: Kind<{
  readonly source: number
  readonly entry: string
  readonly type: number | null
}> = {
  name: 'a message is sent to the wrong entry',
  async act({ world }, { source, entry, type }) {
    const messages = [
      ...world.letters.flatMap(({ letter }) => messageIn(letter) ?? []),
      ...world.questions.flatMap(({ request, replies }) => [request, ...replies]),
    ]
    const message = among(messages, source)
    if (message === undefined || message.length < 2) return false
    const bytes = Uint8Array.from(message)
    if (type !== null) bytes[1] = type
    if (entry === 'kdc') await world.askKdc(bytes)
    else {
      const letter = { method: 'GET', target: '/orders', headers: [], body: '' }
      await world.present(entry, bearing(letter, bytes))
    }
    return true
  },
}

export const attackKdc: Kind<{
  readonly question: number
  readonly how: Change | 'replayed'
  readonly at: number
}> = {
  name: 'a question to the KDC is asked again or changed',
  async act({ world, attacker }, { question, how, at }) {
    const seen = among(world.questions, question)
    if (seen === undefined) return false
    await world.askKdc(how === 'replayed' ? seen.request : changed(seen.request, { how, at }))
    attacker.eavesdrop()
    return true
  },
}

export const spliceQuestion: Kind<{ readonly one: number; readonly other: number; readonly mask: number }> = {
  name: 'halves of two questions are put together',
  async act({ world, attacker }, { one, other, mask }) {
    const [a, b] = [among(world.questions, one), among(world.questions, other)]
    const [body, behind] = [a && bodyOf(a.request), b && bodyOf(b.request)]
    if (a === undefined || b === undefined || body?.length !== 7 || behind?.length !== 7) return false
    const mixed = body.map((value, i) => ((mask >> i) & 1 ? (behind[i] as Value) : value))
    const type = a.request[1] === TYPE.TGS_REQ ? TYPE.TGS_REQ : TYPE.AS_REQ
    const mac = ((mask >> 7) & 1 ? b : a).request.subarray(-MAC_BYTES)
    await world.askKdc(new Uint8Array([...createMessage(type, mixed), ...mac]))
    attacker.eavesdrop()
    return true
  },
}

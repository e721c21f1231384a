import { createError } from '../../shared/encoding/error.js'
import { isWireCode } from '../../shared/errors.js'
import { formatMessageHeader } from '../../shared/http/headers.js'
import { HOUR } from '../../shared/time.js'
import { among, type Kind } from './deed.js'
import type { HttpAnswer } from './service-host.js'
import { messageIn, nameOf, readQuestion } from './view.js'
import type { WaitingRequest } from './waiting.js'
import type { World } from './world.js'

/** What a network does with waiting messages: it carries them, loses them, and answers in another's place. */

interface Which {
  readonly which: number
}

export const carry: Kind<Which> = {
  name: 'a message is carried, and its answer',
  async act({ world }, { which }) {
    const waiting = among(world.waiting.all, which)
    if (waiting !== undefined) await world.carry(waiting)
    return waiting !== undefined
  },
}

export const carryThere: Kind<Which> = {
  name: 'a message is carried, and its answer kept back',
  async act({ world }, { which }) {
    const waiting = among(world.waiting.all, which)
    if (waiting === undefined) return false
    if (waiting.kind === 'kdc') await world.askKdc(waiting.exchange.request)
    else await world.present(waiting.op.service, waiting.letter)
    return true
  },
}

/** By then the service refuses it without looking whether it was handled, so its client must not take that for final. */
const LATE = 2 * HOUR

export const carryLate: Kind<Which> = {
  name: 'a request is carried, its answer kept back, and carried again long after its ticket ended',
  async act({ world }, { which }) {
    const waiting = among(
      world.waiting.all.filter(one => one.kind !== 'kdc' && !one.op.safe),
      which,
    )
    if (waiting === undefined || waiting.kind === 'kdc') return false
    await world.present(waiting.op.service, waiting.letter)
    world.pass(LATE)
    await world.carry(waiting)
    return true
  },
}

export const drop: Kind<Which> = {
  name: 'a message is lost',
  async act({ world }, { which }) {
    const waiting = among(world.waiting.all, which)
    waiting?.drop()
    return waiting !== undefined
  },
}

export const ANSWERS = ['replayed', 'flipped', 'cut', 'retyped', 'reflected', 'error'] as const

/** More than a header or a message may have. */
const GROWN = 64 * 1024

interface False extends Which {
  readonly how: (typeof ANSWERS)[number]
  /** Which of what was seen. */
  readonly source: number
  readonly at: number
  readonly code: string
}

export const answerFalsely: Kind<False> = {
  name: 'a client is answered by the network',
  async act({ world }, args) {
    const waiting = among(world.waiting.all, args.which)
    if (waiting === undefined) return false
    if (waiting.kind === 'kdc') {
      const bytes = falseReply(world, waiting.exchange.request, args)
      if (bytes === undefined) return false
      waiting.answer(bytes)
    } else {
      const answer = await falseAnswer(world, waiting, args)
      if (answer === undefined) return false
      waiting.answer(answer)
    }
    return true
  },
}

function falseReply(world: World, request: Uint8Array, args: False): Uint8Array | undefined {
  if (args.how === 'reflected') return request
  if (args.how === 'error') return forgedError(world, args)
  const alike = world.questions.filter(({ request: other }) => other !== request && asksAlike(other, request))
  const questions = args.at % 2 === 0 && alike.length > 0 ? alike : world.questions
  const reply = among(
    questions.flatMap(question => question.replies),
    args.source,
  )
  return reply && changed(reply, args)
}

/** Whether only what binds a reply to its request distinguishes the replies, which are under the same key. */
function asksAlike(one: Uint8Array, other: Uint8Array): boolean {
  const [a, b] = [readQuestion(one), readQuestion(other)]
  if (a?.kind === 'login') return b?.kind === 'login' && a.client === b.client
  return a?.kind === 'tgs' && b?.kind === 'tgs' && nameOf(a.tgt) === nameOf(b.tgt)
}

/** How bytes are changed on the way. */
export const CHANGES = ['flipped', 'flipped', 'cut', 'retyped', 'of version 2', 'grown'] as const

export function changed(
  bytes: Uint8Array,
  { how, at }: { readonly how: string; readonly at: number },
): Uint8Array {
  const copy = Uint8Array.from(bytes)
  if (how === 'cut') return copy.subarray(0, at % copy.length)
  if (how === 'grown') return new Uint8Array(Buffer.concat([copy], copy.length + GROWN))
  if (how === 'of version 2') copy[0] = 2
  if (how === 'retyped' && copy.length > 1) copy[1] = at % 16
  if (how === 'flipped') copy[at % copy.length] = (copy[at % copy.length] ?? 0) ^ (1 << (at % 8))
  return copy
}

function forgedError(world: World, { code, at }: False): Uint8Array {
  const floor = at % 2 === 0 ? null : world.kdc.clock.now() + at
  return createError({
    code: isWireCode(code) ? code : 'unavailable',
    time: world.kdc.clock.now(),
    floor,
    message: '',
  })
}

async function falseAnswer(
  world: World,
  waiting: WaitingRequest,
  args: False,
): Promise<HttpAnswer | undefined> {
  const { how, at, code } = args
  if (how === 'error') {
    const message = Buffer.from(forgedError(world, args)).toString('base64url')
    const value = `Orthrus realm="demo.example", error="${code}", message="${message}"`
    return { status: 401, headers: [['www-authenticate', value]], body: `${code}\n` }
  }
  if (how === 'reflected') {
    const headers = [
      ['authentication-info', formatMessageHeader(messageIn(waiting.letter) ?? new Uint8Array())],
    ] as const
    return { status: 200, headers, body: 'forged' }
  }
  const others = world.letters.flatMap(letter => letter.answers)
  const own = how !== 'replayed' && at % 2 === 0
  const answer = own ? await answerTo(world, waiting) : among(others, args.source)
  if (answer === undefined || how === 'replayed') return answer
  if (how === 'cut') return { ...answer, body: answer.body.slice(0, -1) }
  if (how === 'retyped') return { ...answer, status: answer.status === 200 ? 201 : 200 }
  return { ...answer, body: `${answer.body.slice(0, at % 20)}!${answer.body.slice((at % 20) + 1)}` }
}

/** The service's own answer to this request, changed on its way back, so that only a binding shows it. */
async function answerTo(world: World, { op, letter }: WaitingRequest): Promise<HttpAnswer> {
  const seen = world.letters.find(one => one.letter === letter && one.service === op.service)
  return seen?.answers.at(-1) ?? (await world.present(op.service, letter)).answer
}

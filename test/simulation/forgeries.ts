import { createError } from '../../shared/encoding/error.js'
import { WIRE_CODES, type WireCode } from '../../shared/errors.js'
import { formatChallenge, formatMessageHeader, statusOf } from '../../shared/http/headers.js'
import { parseRealm } from '../../shared/principal.js'
import type { Random } from '../support/random.js'
import type { Letter } from './passage.js'
import { encodeResponse } from './wire.js'

/** Answers that anybody without a key can write. */

const REALM = parseRealm('demo.example')
/** What a client acts on, or might act on. */
const TEMPTING: readonly WireCode[] = ['ticket_invalid', 'ticket_invalid', 'clock_skew', 'clock_skew']
const MADE_UP = ['plain 200', 'redirect', 'bare status', 'made-up proof', 'challenge alone'] as const

export interface Forged {
  readonly name: string
  readonly bytes: Buffer
}

export function forgedAnswer(random: Random, letter: Letter): Forged {
  const code = random.pick<WireCode>([...WIRE_CODES, ...TEMPTING])
  return random.chance(0.75) ? forgedError(random, code) : madeUp(random, random.pick(MADE_UP), letter)
}

function forgedError(random: Random, code: WireCode): Forged {
  const time = random.pick([
    0,
    1_800_000_000_000,
    1_800_000_000_000 + random.between(0, 2 ** 40),
    2 ** 53 - 1,
  ])
  const floor = random.pick([null, time, 0, 2 ** 53 - 1])
  const error = createError({ code, time, floor, message: 'forged' })
  const challenge = formatChallenge({ realm: REALM, code, error })
  const far = floor === 2 ** 53 - 1 ? ', floor 2^53-1' : ''
  return {
    name: `05 ${code}${code === 'clock_skew' ? far : ''}`,
    bytes: encodeResponse(statusOf(code), [['www-authenticate', challenge]], code),
  }
}

function madeUp(random: Random, name: (typeof MADE_UP)[number], { asked }: Letter): Forged {
  const plain: [string, string] = ['content-type', 'text/plain']
  switch (name) {
    case 'plain 200':
      return { name, bytes: encodeResponse(200, [plain], `the answer to #${asked.id}`) }
    case 'redirect': {
      const location = random.pick([`/ok?id=${asked.id}`, 'http://evil.test/', `${asked.target}&again`])
      return { name, bytes: encodeResponse(random.pick([301, 302, 307, 308]), [['location', location]], '') }
    }
    case 'bare status': {
      const status = random.pick([400, 401, 403, 409, 413, 421, 425, 429, 500, 503])
      return { name, bytes: encodeResponse(status, [['retry-after', '0']], '') }
    }
    case 'made-up proof': {
      const proof = formatMessageHeader(random.bytes(80))
      return { name, bytes: encodeResponse(200, [plain, ['authentication-info', proof]], 'made up') }
    }
    case 'challenge alone': {
      const challenge = formatChallenge({ realm: REALM })
      return { name, bytes: encodeResponse(401, [['www-authenticate', challenge]], '') }
    }
  }
}

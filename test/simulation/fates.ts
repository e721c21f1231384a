import { HOUR, SECOND } from '../../shared/time.js'
import { forgedAnswer } from './forgeries.js'
import type { Passage } from './passage.js'
import { middleOf } from './simulated-service.js'
import { headLength } from './wire.js'

/** What can happen to a request on its way, and to its answer; the numbers are relative frequencies. */

export const REQUEST_FATES = {
  pass: 0,
  'lost on its way': 4,
  'cut in the middle': 3,
  'handled, its answer lost': 5,
  'delivered after its client gave up': 4,
  'delivered twice at once': 3,
  'delivered again later': 5,
  'a copy before the original': 4,
  altered: 6,
  'altered, the original later': 4,
  'its body held back': 3,
  'forged answer, never delivered': 3,
  'forged answer, delivered': 8,
  'forged answer, delivered later': 4,
} as const
export type RequestFate = keyof typeof REQUEST_FATES

export const ANSWER_FATES = {
  pass: 0,
  lost: 4,
  late: 3,
  altered: 4,
  'of another status': 2,
  'with another body': 2,
  'in place of it an older one': 3,
  'in place of it a forged one': 8,
} as const
export type AnswerFate = keyof typeof ANSWER_FATES

export const REQUESTS: Readonly<Record<RequestFate, (passage: Passage) => void>> = {
  pass: passage => passage.send(passage.network.shortDelay()),
  'lost on its way': passage => passage.reset(passage.network.silence()),
  'cut in the middle': passage => {
    const { bytes } = passage.letter
    passage.sendInParts(passage.network.random.between(1, bytes.length - 1), undefined)
    passage.reset(passage.network.shortDelay())
  },
  'handled, its answer lost': passage => {
    passage.sendInVain(passage.network.shortDelay())
    passage.reset(2 * passage.network.shortDelay())
  },
  'delivered after its client gave up': passage => {
    const soon = passage.network.shortDelay()
    passage.reset(soon)
    passage.sendInVain(soon + passage.network.longDelay())
  },
  'delivered twice at once': passage => {
    const soon = passage.network.shortDelay()
    passage.send(soon)
    passage.send(soon)
  },
  'delivered again later': passage => {
    const soon = passage.network.shortDelay()
    passage.send(soon)
    passage.sendInVain(soon + passage.network.longDelay())
  },
  'a copy before the original': passage => {
    const soon = passage.network.shortDelay()
    passage.sendInVain(soon)
    passage.send(soon + passage.network.random.magnitude(1, HOUR / 2))
  },
  altered: passage => passage.send(passage.network.shortDelay(), altered(passage)),
  'altered, the original later': passage => {
    const soon = passage.network.shortDelay()
    passage.send(soon, altered(passage))
    passage.sendInVain(soon + passage.network.random.magnitude(1, 50 * SECOND))
  },
  'its body held back': passage => {
    passage.sendInParts(middleOf(passage.letter.bytes), passage.network.random.magnitude(10, 70 * SECOND))
    passage.reset(passage.network.silence())
  },
  'forged answer, never delivered': passage => forge(passage),
  'forged answer, delivered': passage => {
    passage.sendInVain(passage.network.shortDelay())
    forge(passage)
  },
  'forged answer, delivered later': passage => {
    forge(passage)
    passage.sendInVain(passage.network.random.magnitude(50, HOUR))
  },
}

export const ANSWERS: Readonly<Record<AnswerFate, (passage: Passage, bytes: Buffer) => void>> = {
  pass: (passage, bytes) => passage.arrive(passage.network.shortDelay(), bytes),
  lost: passage => passage.reset(passage.network.shortDelay()),
  late: (passage, bytes) => passage.arrive(passage.network.random.magnitude(SECOND, 120 * SECOND), bytes),
  altered: (passage, bytes) => passage.arrive(passage.network.shortDelay(), passage.network.flip(bytes)),
  'of another status': (passage, bytes) => {
    const status = passage.network.random.pick(['200', '204', '302', '401', '404', '503'])
    const changed = bytes.toString('latin1').replace(/(?<=^HTTP\/1\.1 )\d{3}/, status)
    passage.arrive(passage.network.shortDelay(), Buffer.from(changed, 'latin1'))
  },
  'with another body': (passage, bytes) => {
    const changed = Buffer.from(bytes)
    changed.fill('x', headLength(bytes))
    passage.arrive(passage.network.shortDelay(), changed)
  },
  'in place of it an older one': (passage, bytes) =>
    passage.arrive(passage.network.shortDelay(), passage.network.pastAnswer ?? bytes),
  'in place of it a forged one': passage => forge(passage),
}

function forge(passage: Passage): void {
  const { name, bytes } = forgedAnswer(passage.network.random, passage.letter)
  passage.network.ledger.count(`forged: ${name}`)
  passage.network.ledger.note(`#${passage.letter.asked.id} gets a forged ${name}`)
  passage.arrive(2 * passage.network.shortDelay(), bytes)
}

/** Other bytes: one bit anywhere, or another method, path, header or body that an attacker might prefer. */
function altered({ network, letter }: Passage): Buffer {
  const { random } = network
  const text = letter.bytes.toString('latin1')
  const changes: readonly (() => Buffer)[] = [
    () => network.flip(letter.bytes),
    () => network.flip(letter.bytes),
    () => Buffer.from(text.replace(/^\w+/, random.pick(['PUT', 'DELETE', 'POST', 'GET'])), 'latin1'),
    () => Buffer.from(text.replace(/\?id=(\d+)/, '?id=$1&x'), 'latin1'),
    () =>
      Buffer.from(
        text.replace(/\?id=(\d+)/, (_, id) => `?id=${Math.max(1, Number(id) - 1)}`),
        'latin1',
      ),
    () => Buffer.from(text.replace('\r\n', '\r\nrange: bytes=0-1\r\n'), 'latin1'),
    () => {
      const body = headLength(letter.bytes)
      if (body === letter.bytes.length) return network.flip(letter.bytes)
      const changed = Buffer.from(letter.bytes)
      changed.fill('9', body, body + 1)
      return changed
    },
  ]
  return random.pick(changes)()
}

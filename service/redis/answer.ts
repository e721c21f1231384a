import { malformed } from '../../shared/errors.js'

const OUTCOMES = [
  'admitted',
  'epoch',
  'apart',
  'ahead',
  'clock_skew',
  'replay',
  'rate_limited',
  'full',
] as const
export type Outcome = (typeof OUTCOMES)[number]

/** What the script said. Times in milliseconds, by the server's clock. */
export interface Answer {
  readonly outcome: Outcome
  readonly epoch: string
  readonly now: number
  readonly floor: number
}

const FORM = /^([a-z_]{4,12}) ([\w-]{1,64}) (0|[1-9]\d{0,15}) (0|[1-9]\d{0,15})$/

/** @throws OrthrusError `malformed` if the script cannot have said this: it is no answer */
export function readAnswer(said: unknown): Answer {
  // A client can be set to give buffers.
  const [, outcome, epoch = '', now, floor] = FORM.exec(String(said)) ?? []
  const found = OUTCOMES.find(known => known === outcome)
  if (found === undefined) throw malformed('the answer of the Redis server is none')
  return { outcome: found, epoch, now: Number(now), floor: Number(floor) }
}

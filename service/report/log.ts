import type { Logger } from '../../shared/logger.js'
import type { Report, ServiceEvent } from './events.js'

type Level = 'debug' | 'info' | 'warn' | 'error'

const LINE: { readonly [Kind in ServiceEvent['kind']]: readonly [level: Level, message: string] } = {
  accepted: ['info', 'a request was accepted'],
  challenged: ['info', 'a request without credentials was challenged'],
  refused: ['info', 'a request was refused'],
  replayed: ['info', 'a request came again and was refused'],
  unchecked: ['error', 'a request could not be checked'],
  aborted: ['debug', 'the client went away before its request was whole'],
  response_failed: ['error', 'a handler failed'],
  response_encoded: ['warn', 'a response has content-encoding: clients of Orthrus refuse it'],
  hook_failed: ['error', 'a function given to requireTicket threw'],
  wrong_event: ['error', 'requireTicket listens to an event that has no response: the connection was closed'],
  clock_went_back: ['error', "this machine's clock went back: nothing is accepted until it is right"],
  clock_leapt: [
    'warn',
    "this machine's clock was set, or the machine was suspended: requests stamped up to the floor are refused",
  ],
  replay_cache_full: ['warn', 'the replay cache is full: requests that took long are refused'],
}

/** What one client did is not a warning: anybody can be refused as often as they like. */
const OWNER_MUST_ACT = ['warn', 'a request was refused for a reason that lies with this service'] as const

/** Writes each event as one line. Events of one kind have the same message, so that they can be counted together. */
export function logTo(logger: Logger): Report {
  return event => {
    const mustAct = event.kind === 'refused' && event.ownerMustAct
    const [level, message] = mustAct ? OWNER_MUST_ACT : LINE[event.kind]
    logger[level](event, message)
  }
}

import type { Logger } from '../../shared/logger.js'
import type { ClientEvent, ClientReport } from './events.js'

type Line = readonly [level: 'debug' | 'warn' | 'error', message: string]

const LINE: { readonly [Kind in ClientEvent['kind']]: Line } = {
  ticket_asked: ['debug', 'the KDC is asked for tickets'],
  ticket_granted: ['debug', 'the KDC granted a ticket'],
  ticket_refused: ['debug', 'the KDC granted no ticket'],
  ticket_refreshed: ['debug', 'a ticket was refreshed'],
  refresh_failed: ['warn', 'a ticket could not be refreshed; the old one is used until its end'],
  call_presented: ['debug', 'sending a request'],
  answer_proved: ['debug', 'the answer is proved'],
  answer_unproved: ['debug', 'an answer that nothing proves was taken'],
  call_refused: ['debug', 'a service refused a request'],
  call_retried: ['debug', 'sending a request again'],
  call_failed: ['debug', 'a request has no proved answer'],
  kdc_found: ['debug', 'connected to the KDC'],
  kdc_left: ['warn', 'a KDC failed; another one is asked'],
  kdc_differs: [
    'error',
    'a KDC refuses what another one answers: it may be of another realm, or have other data; orthrus doctor looks at each',
  ],
  kdc_lost: ['debug', 'no KDC answers; calls fail until one does'],
  hook_failed: ['error', 'a function given to connect threw'],
}

/** The kinds of all events. */
export const CLIENT_EVENT_KINDS = Object.keys(LINE) as readonly ClientEvent['kind'][]

/**
 * Writes each event as one line. Events of one kind have the same message, so that they can be counted together.
 * Exported as `logClientEvents`, it fits `onEvent` of `connect` and a channel of `node:diagnostics_channel`.
 * @param logger a pino logger fits
 */
export function logTo(logger: Logger): ClientReport {
  return event => {
    const [level, message] = LINE[event.kind]
    logger[level](event, message)
  }
}

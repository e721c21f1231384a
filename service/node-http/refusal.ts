import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TicketGate } from '../request/options.js'
import type { Refused } from '../request/refuse.js'
import { RequestRefused } from '../request/request-refused.js'
import { RenderedRefusal } from '../response/refusal.js'
import { answerWith } from './answer.js'

/** Hands a refusal to the error handlers of a framework. */
export type PassOn = (error: RequestRefused) => void

/**
 * From now on what is written to the response is kept, and goes out as the answer to a refused request.
 * @param fail is told if it is too much, and the refusal goes out as it is
 */
export function letRender(
  { service, maxResponse }: Pick<TicketGate, 'service' | 'maxResponse'>,
  req: IncomingMessage,
  res: ServerResponse,
  { response: refusal }: Refused,
  fail: (err: unknown) => void,
): RenderedRefusal {
  return new RenderedRefusal(res, {
    refusal,
    maxBody: maxResponse,
    send: response => answerWith(req, res, service.timers, response),
    onOverflow: () => fail(new TypeError(`it wrote more than maxResponse, ${maxResponse} bytes`)),
  })
}

/**
 * Answers a request that was refused, unless the application does: by `onRefused`, or by its error handlers, if refusals
 * are passed on to them.
 */
export function refuseByApplication(
  gate: TicketGate,
  req: IncomingMessage,
  res: ServerResponse,
  refused: Refused,
  passOn: PassOn | undefined,
): void {
  const { service, options } = gate
  const fail = (err: unknown): void => service.report({ kind: 'hook_failed', hook: 'onRefused', err })
  const rendering = letRender(gate, req, res, refused, fail)
  const failed = (err: unknown): void => {
    rendering.answerPlainly()
    fail(err)
  }
  const goOn = (): void => {
    if (rendering.hasBegun) return
    if (passOn === undefined) rendering.answerPlainly()
    else passOn(new RequestRefused(refused))
  }
  attempt(() => options.onRefused?.(refused.refused, req, res), goOn, failed)
}

/** At once, unless `ask` gives a promise. */
function attempt(ask: () => unknown, goOn: () => void, failed: (err: unknown) => void): void {
  try {
    const asked = ask()
    if (isPromise(asked)) Promise.resolve(asked).then(goOn).catch(failed)
    else goOn()
  } catch (err) {
    failed(err)
  }
}

function isPromise(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'then' in value
}

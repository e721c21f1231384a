import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { Unanswered } from '../../service/node-http/unanswered.js'
import { ENCODING_HEADER } from '../../shared/http/header-names.js'
import { callUpgrades } from './call-upgrade.js'
import { answerFault, type Fault } from './faults.js'
import { headersOfAnswer, valuesOf } from './header-rules.js'
import { passBack } from './pass-back.js'
import { refusalAnswer } from './refusal-answer.js'
import { type CallProxyOptions, type Taken, takeRequest, told } from './taken-request.js'
import { LENGTH_HEADER } from './told-length.js'
import type { Upgrades } from './upgrades.js'
import { lengthOf, uploadOf } from './upload.js'

/** Takes requests of programs on this machine, makes them in the name of a principal, and gives back what was proved. */

/** Takes what comes to the server from now on. */
export function callProxy(server: Server, options: CallProxyOptions): Upgrades {
  const usable = new WeakMap<Duplex, Promise<Fault | undefined>>()
  // Whose connection it is is looked up at once: when it is ending nobody can tell any more.
  server.on('connection', socket => usable.set(socket, options.faultOf(socket)))
  const unanswered = new Unanswered()
  const take = (req: IncomingMessage, res: ServerResponse): void => {
    unanswered.note(req, res)
    answer(options, req, res, usable.get(req.socket)).catch(cause => {
      options.logger.error({ err: cause }, 'unexpected failure while answering')
      res.destroy()
    })
  }
  server.on('request', take)
  server.on('checkContinue', take)
  return callUpgrades(server, options, {
    usable: socket => usable.get(socket),
    isAnswering: socket => unanswered.has(socket),
  })
}

async function answer(
  options: CallProxyOptions,
  req: IncomingMessage,
  res: ServerResponse,
  usable: Promise<Fault | undefined> | undefined,
): Promise<void> {
  const taken = (await usable) ?? takeRequest(options, req)
  if ('status' in taken) {
    told(options, req, taken)
    // What is not to be used is not kept either.
    answerFault(res, taken, true)
    req.resume()
    return
  }
  if (req.headers.expect !== undefined) res.writeContinue()
  const ended = new AbortController()
  res.once('close', () => ended.abort(new Error('the program is gone')))
  try {
    const response = await send(options, req, taken, ended.signal)
    await passBack(response, headersOfAnswer([...response.headers]), res)
  } catch (cause) {
    if (ended.signal.aborted) return
    const fault = refusalAnswer(cause)
    told(options, req, fault, cause)
    if (res.headersSent) res.destroy()
    else answerFault(res, fault)
    req.resume()
  }
}

async function send(
  { realm, sealed }: CallProxyOptions,
  req: IncomingMessage,
  { route, target, headers }: Taken,
  signal: AbortSignal,
): Promise<Response> {
  // A body with an encoding of its own cannot have that of a sealed one as well.
  const isSealed = sealed && valuesOf(headers, ENCODING_HEADER).length === 0
  const upload = uploadOf(req)
  const length = isSealed && upload !== undefined ? lengthOf(req) : undefined
  const told = length === undefined ? [] : [[LENGTH_HEADER, length] as const]
  return await realm.fetch(route.origin.origin + target, {
    service: route.service,
    method: req.method ?? '',
    headers: [...headers, ...told] as [string, string][],
    redirect: 'manual',
    sealed: isSealed,
    signal,
    ...(upload === undefined ? {} : { body: upload }),
    ...(length === undefined ? {} : { cover: [LENGTH_HEADER] }),
  })
}

import type { IncomingMessage, ServerResponse } from 'node:http'
import { SUBPROTOCOL } from '../../shared/constants.js'
import { clockFault } from '../realm/clock-report.js'
import type { OpenRealm } from '../realm/realm.js'
import { RECORD_KIND } from '../store/store.js'
import { REALM_RECORD_NAME } from '../vault/records.js'

/** What the KDC answers to plain HTTP: whether it works, and that it speaks WebSocket. */

/** Never rejects. */
export async function answerHttp(
  request: IncomingMessage,
  response: ServerResponse,
  realm: OpenRealm,
): Promise<void> {
  request.resume()
  response.setHeader('Connection', 'close')
  if (request.method === 'GET' && request.url === '/health') {
    const works = await isWorking(realm)
    response.writeHead(works ? 200 : 503, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' })
    response.end(`${JSON.stringify({ status: works ? 'ok' : 'unavailable', ...clockOf(realm) })}\n`)
  } else {
    response.writeHead(426, {
      Upgrade: 'websocket',
      Connection: 'close, Upgrade',
      'Content-Type': 'text/plain',
    })
    response.end(`This is an Orthrus KDC: it speaks WebSocket, subprotocol ${SUBPROTOCOL}.\n`)
  }
}

/**
 * Present only if something is wrong with the clock. It does not change the status: a restarted KDC would have the same
 * clock, and one that is taken out of service helps nobody.
 */
function clockOf({ time }: OpenRealm): object {
  const state = time.look()
  const fault = clockFault(state)
  return fault === undefined ? {} : { clock: { ...state, message: fault } }
}

/** The store answers. */
async function isWorking({ vault }: OpenRealm): Promise<boolean> {
  try {
    return (await vault.read(RECORD_KIND.REALM, REALM_RECORD_NAME.REALM)) !== undefined
  } catch {
    return false
  }
}

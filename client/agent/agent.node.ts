import type { AgentParts } from './agent-parts.js'
import { initOf, urlOf } from './dispatched-request.node.js'
import type { Composable, Dispatch, DispatchHandler, DispatchOptions } from './dispatching.js'
import { Exchange } from './exchange.node.js'

/** A dispatcher that does not make connections itself, but presents tickets over the one given, which does. */
export function agentOver<Composed>(parts: AgentParts, dispatcher: Composable<Composed>): Composed {
  if (typeof dispatcher?.compose !== 'function')
    throw new TypeError('realm.agent takes a dispatcher of undici, which makes the connections: new Agent()')
  return dispatcher.compose(() => dispatchOver(parts, dispatcher))
}

function dispatchOver(parts: AgentParts, dispatcher: Pick<Composable<unknown>, 'dispatch'>): Dispatch {
  return (options, handler) => {
    requireHandler(handler)
    // The settings of a connection, such as its timeouts, are the caller's; what is sent is what was bound.
    const dispatch = (sent: object, within: never): boolean =>
      dispatcher.dispatch({ ...options, query: undefined, ...sent } as never, within)
    const fetch = (signal: AbortSignal) => exchange(parts, options, signal, { dispatch })
    void new Exchange(handler).run(fetch)
    return true
  }
}

async function exchange(
  parts: AgentParts,
  options: DispatchOptions,
  signal: AbortSignal,
  dispatcher: object,
): ReturnType<AgentParts['fetch']> {
  const url = urlOf(options)
  return parts.fetch(url, { ...initOf(options), signal, dispatcher, redirect: 'manual' })
}

/** undici 7 brings every handler to this form before it calls an interceptor; other versions do not. */
function requireHandler(handler: DispatchHandler): void {
  if (typeof handler?.onRequestStart === 'function') return
  throw new TypeError(
    'realm.agent is called in the way of undici before version 7: give it a dispatcher of undici 7, which takes both ways',
  )
}

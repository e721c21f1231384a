import type { AgentParts } from './agent-parts.js'
import type { Composable } from './dispatching.js'

/** undici runs in Node alone. `agent.node.ts` has the same function. @throws TypeError */
export function agentOver<Composed>(_parts: AgentParts, _dispatcher: Composable<Composed>): Composed {
  throw new TypeError('this platform has no undici: use realm.fetch')
}

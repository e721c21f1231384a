import * as ws from 'ws'

/** The `ws` package, as bundlers must see it, which cannot follow what `ws.node.ts` does. */
export function loadWs(): typeof ws {
  return ws
}

import { createRequire } from 'node:module'
import type * as Ws from 'ws'

const require = createRequire(import.meta.url)

/**
 * The `ws` package, loaded at the first connection. A program that makes none does without, and one that does is spared
 * what Node does to a package of CommonJS that is imported: it parses each of its files to find what they export.
 */
export function loadWs(): typeof Ws {
  return require('ws') as typeof Ws
}

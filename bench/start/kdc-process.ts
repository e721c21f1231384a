import { readFileSync } from 'node:fs'
import { type RunningKdc, startKdc } from '../../kdc/main.js'
import { MasterKey } from '../../kdc/vault/master-key.js'
import { serve } from '../processes.js'
import type { BuiltDatabase } from './database.js'

/** The process of a KDC that starts on an existing database. */

export interface StartFigures {
  readonly url: string
  /** Milliseconds, from `startKdc` to listening. */
  readonly elapsed: number
  /** Bytes: resident when it listens, and the most so far. */
  readonly resident: number
  readonly peak: number
}

let running: RunningKdc | undefined

async function start({ directory, masterKey }: BuiltDatabase): Promise<StartFigures> {
  const begin = performance.now()
  const key = new MasterKey(masterKey)
  running = await startKdc({ dataDirectory: directory, masterKey: key, listen: { port: 0 } })
  const elapsed = performance.now() - begin
  return { url: running.url, elapsed, resident: process.memoryUsage.rss(), peak: peakMemory() }
}

/** Of this program alone where the system tells: elsewhere, what forked it counts too while it was the same process. */
function peakMemory(): number {
  const status = process.platform === 'linux' ? readFileSync('/proc/self/status', 'utf8') : ''
  const [, kibibytes] = /^VmHWM:\s*(\d+) kB$/m.exec(status) ?? []
  return 1024 * Number(kibibytes ?? process.resourceUsage().maxRSS)
}

async function close(): Promise<void> {
  await running?.close()
}

serve({ start, close })

import { channel } from 'node:diagnostics_channel'
import type { DiagnosticsChannel } from './diagnostics.js'

export type { DiagnosticsChannel } from './diagnostics.js'

/** The channel of this name, which every part of the process shares. */
export function diagnosticsChannel(name: string): DiagnosticsChannel {
  return channel(name)
}

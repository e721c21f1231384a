import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { DiagnosticsChannel } from './diagnostics.js'

export type { DiagnosticsChannel } from './diagnostics.js'

/** The channel of this name, which every part of the process shares. */
export function diagnosticsChannel(name: string): DiagnosticsChannel {
  return channel(name)
}

/** @returns ends it */
export function listenTo(name: string, listener: (message: unknown) => void): () => void {
  subscribe(name, listener)
  return () => void unsubscribe(name, listener)
}

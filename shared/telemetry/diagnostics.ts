/** Channels of `node:diagnostics_channel`. Elsewhere there are none, so nobody listens. */

export interface DiagnosticsChannel {
  readonly hasSubscribers: boolean
  publish(message: unknown): void
}

const NOBODY: DiagnosticsChannel = { hasSubscribers: false, publish: () => {} }

/** The channel of this name, which every part of the process shares. */
export function diagnosticsChannel(_name: string): DiagnosticsChannel {
  return NOBODY
}

/** @returns ends it */
export function listenTo(_name: string, _listener: (message: unknown) => void): () => void {
  return () => {}
}

import type { KdcEvent } from './events.js'

/** Receives every event, in order. If it works asynchronously, it returns a promise that resolves when it is done. */
export type Listener = (event: KdcEvent) => void | Promise<void>

/** Where the parts of a KDC report what they do. */
export interface Report {
  /** Reports an event without waiting. A failing listener affects neither the caller nor other listeners. */
  tell(event: KdcEvent): void
  /**
   * Reports an event and waits until every listener is done: for what must be recorded before it is answered.
   * @throws what a listener throws, after all listeners have received the event
   */
  record(event: KdcEvent): Promise<void>
}

/** Makes a report that passes each event to the listeners. */
export function createReport(listeners: readonly Listener[]): Report {
  return {
    tell: event => {
      for (const listener of listeners) tellFailsafe(listener, event)
    },
    record: async event => {
      const done = await Promise.allSettled(listeners.map(async listener => listener(event)))
      for (const result of done) if (result.status === 'rejected') throw result.reason
    },
  }
}

function tellFailsafe(listener: Listener, event: KdcEvent): void {
  try {
    const done = listener(event)
    if (done instanceof Promise) done.catch(() => {})
  } catch {
    // Dropped: there is nowhere to report it.
  }
}

/** A report without listeners. */
export const SILENT_REPORT: Report = createReport([])

import type { KdcEvent } from './events.js'

/** Hears every event, in the order in which they happen. What it does not do at once, it resolves when done. */
export type Listener = (event: KdcEvent) => void | Promise<void>

/** Where the parts of a KDC tell what they do. */
export interface Report {
  /** Tells without waiting. A listener that fails disturbs nobody. */
  tell(event: KdcEvent): void
  /**
   * Tells, and waits until every listener is done: for what must be written down before it is answered.
   * @throws whatever a listener throws, once all have heard
   */
  record(event: KdcEvent): Promise<void>
}

/** Hangs up the listeners. Without any, telling costs no more than making the event. */
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
    // There is nowhere left to tell it.
  }
}

/** Nobody listens. */
export const SILENT_REPORT: Report = createReport([])

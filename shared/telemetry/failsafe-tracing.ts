import type { TracedOutcome, TracedSpan, Tracing } from './tracing.js'

/** The same tracing, which can fail no exchange. @param failed is told of the first failure alone */
export function failsafeTracing(tracing: Tracing, failed: (err: unknown) => void): Tracing {
  let hasFailed = false
  const guarded = <T>(run: () => T, otherwise: T): T => {
    try {
      return run()
    } catch (err) {
      if (!hasFailed) {
        hasFailed = true
        failed(err)
      }
      return otherwise
    }
  }
  return {
    begin: exchange => {
      const span = guarded(() => tracing.begin(exchange), NO_SPAN)
      return {
        within: work => runWithin(span, work, guarded),
        headers: () => guarded(() => span.headers(), []),
        end: (outcome: TracedOutcome) => guarded(() => span.end(outcome), undefined),
      }
    },
  }
}

type Guarded = <T>(run: () => T, otherwise: T) => T

/** What `work` returns or throws counts, once it was called, and it is called once. */
function runWithin<T>(span: TracedSpan, work: () => T, guarded: Guarded): T {
  let done: { readonly value: T } | { readonly cause: unknown } | undefined
  const once = (): void => {
    if (done !== undefined) return
    try {
      done = { value: work() }
    } catch (cause) {
      done = { cause }
    }
  }
  guarded(() => span.within(once), undefined)
  once()
  return settled(done)
}

function settled<T>(done: { readonly value: T } | { readonly cause: unknown } | undefined): T {
  if (done !== undefined && 'value' in done) return done.value
  throw done?.cause
}

const NO_SPAN: TracedSpan = { within: work => work(), headers: () => [], end: () => {} }

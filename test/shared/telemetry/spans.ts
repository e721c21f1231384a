import * as api from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { onTestFinished } from 'vitest'

/** An SDK of OpenTelemetry for one test, since the API has one for the process. @returns what it exports */
export function startSdk(): InMemorySpanExporter {
  const exporter = new InMemorySpanExporter()
  const spanProcessors = [new SimpleSpanProcessor(exporter)]
  api.trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors }))
  api.context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  api.propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  onTestFinished(stopSdk)
  return exporter
}

export function stopSdk(): void {
  api.trace.disable()
  api.context.disable()
  api.propagation.disable()
}

/** What a span is, for comparisons. */
export function shownSpan({ name, kind, attributes, status, parentSpanContext }: ReadableSpan) {
  return {
    span: `${api.SpanKind[kind]} ${name}`,
    ...attributes,
    ...(status.code === api.SpanStatusCode.ERROR ? { failed: true } : {}),
    ...(parentSpanContext === undefined ? {} : { parent: parentSpanContext.spanId }),
  }
}

import * as api from '@opentelemetry/api'
import { connect, type Realm } from 'orthrus/client'
import { createTracing, observeRealm, observeService, type Tracing, traceKdc } from 'orthrus/opentelemetry'
import type { Service } from 'orthrus/service'

// @ts-expect-error It takes the module.
export const nothing = () => createTracing({ api: '@opentelemetry/api' })

export function trace(): Promise<Realm> {
  const tracing: Tracing = createTracing({ api, propagate: true })
  return connect({
    kdc: 'ws://127.0.0.1:8750',
    keytab: 'web.keytab',
    tracing,
    onEvent: ({ kind }) => console.log(kind),
  })
}

export function observe(service: Service, realm: Realm): void {
  const meter = api.metrics.getMeter('shop')
  observeService({ meter, service })
  observeRealm({ meter, realm })
}

export function traceKdcs(): () => void {
  return traceKdc({ api })
}

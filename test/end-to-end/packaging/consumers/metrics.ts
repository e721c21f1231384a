import type { Realm } from 'orthrus/client'
import { collectRealm, collectService } from 'orthrus/metrics'
import type { Service } from 'orthrus/service'
import * as promClient from 'prom-client'

// @ts-expect-error It takes the module.
export const nothing = (service: Service) => collectService({ promClient: 'prom-client', service })

export function collect(service: Service, realm: Realm): Promise<string> {
  const registry = new promClient.Registry()
  collectService({ promClient, registry, service })
  collectRealm({ promClient, realm })
  return registry.metrics()
}

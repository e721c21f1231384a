import { createServer } from 'node:http'
import { onTestFinished } from 'vitest'
import { callProxy } from '../../../cli/proxy/call-proxy.js'
import type { Route, Routes } from '../../../cli/proxy/caller-rules.js'
import { outgoingFetch } from '../../../cli/proxy/outgoing-fetch.js'
import { httpPlaceOf } from '../../../cli/proxy/place.js'
import type { CallProxyOptions } from '../../../cli/proxy/taken-request.js'
import type { Upgrades } from '../../../cli/proxy/upgrades.js'
import { Upstream } from '../../../cli/proxy/upstream.js'
import type { ConnectOptions } from '../../../client/index.js'
import type { TestRealm } from '../../../testing/index.js'
import { TestLogger } from '../../support/logger.js'
import { listen } from './scene.js'

/** A proxy beside a program that calls. */

export interface CallScene {
  readonly port: number
  readonly url: string
  readonly logger: TestLogger
  readonly upgrades: Upgrades
}

export interface CallSceneOptions extends Partial<Omit<CallProxyOptions, 'realm' | 'routes'>> {
  readonly as?: string
  /** Where `orders` listens. */
  readonly to: string
  readonly connect?: Partial<ConnectOptions>
  readonly routes?: (route: Route) => Partial<Routes>
}

export async function startCallProxy(testRealm: TestRealm, options: CallSceneOptions): Promise<CallScene> {
  const { as = 'web', to, routes, connect = {}, ...own } = options
  const origin = new URL(to)
  const upstream = new Upstream({
    place: httpPlaceOf(origin),
    timers: testRealm.clock,
    connections: 8,
    waiting: 8,
  })
  onTestFinished(() => upstream.close())
  const upstreams = new Map([[origin.origin, upstream]])
  const fetch = outgoingFetch({ upstreams, timers: testRealm.clock, patience: 60_000 })
  const logger = new TestLogger()
  const realm = await testRealm.connect(as, { fetch, logger, ...connect })
  const server = createServer()
  const route = { service: 'orders', origin, upstream }
  const upgrades = callProxy(server, {
    realm,
    routes: { only: route, byHost: new Map(), names: new Set(), anyName: false, ...routes?.(route) },
    sealed: true,
    strip: new Set(),
    faultOf: async () => undefined,
    logger,
    timers: testRealm.clock,
    patience: 60_000,
    ...own,
  })
  const port = await listen(server)
  onTestFinished(() => upgrades.close(0))
  return { port, url: `http://127.0.0.1:${port}`, logger, upgrades }
}

import { createServer } from 'node:http'
import type { Socket } from 'node:net'
import type { Realm } from '../../client/realm.js'
import { OrthrusError } from '../../shared/errors.js'
import { systemTimers } from '../../shared/timers.js'
import { withRealm } from '../connection.js'
import type { Terminal } from '../terminal.js'
import { listenOn } from '../tunnel/listen.js'
import { isOfThisMachine, type Place, resolved, shownPlace } from '../tunnel/place.js'
import { type UserRule, userRuleFor } from '../tunnel/user-rule.js'
import type { CallArguments } from './call-arguments.js'
import { callProxy } from './call-proxy.js'
import type { Route, Routes } from './caller-rules.js'
import type { Fault } from './faults.js'
import { outgoingFetch } from './outgoing-fetch.js'
import { httpPlaceOf } from './place.js'
import { beginProxy, SERVER } from './running.js'
import { Upstream } from './upstream.js'

/** What `orthrus proxy call` does with its options. */
export async function runCall(terminal: Terminal, options: CallArguments): Promise<void> {
  const listen = await resolved(options.listen)
  const faultOf = faultsBy(requireUsers(options, listen))
  const { routes, upstreams } = routesOf(options, 'path' in listen)
  const running = beginProxy(terminal, options)
  const { logger } = running
  const fetch = outgoingFetch({ upstreams, timers: systemTimers, patience: options.timeout })
  const { maxBody: maxRequest, maxResponse } = options
  const use = async (realm: Realm): Promise<void> => {
    // What is refused is refused now, and not when a program first asks.
    for (const service of servicesOf(routes)) await realm.getServiceTicket(service)
    const server = createServer(SERVER)
    const strip = new Set(options.strip)
    const upgrades = callProxy(server, {
      realm,
      routes,
      sealed: options.unsealed !== true,
      strip,
      faultOf,
      logger,
      timers: systemTimers,
      patience: options.timeout,
    })
    const where = shownPlace(await listenOn(server, listen))
    const services = servicesOf(routes)
    const facts = { client: realm.client, listen: where, services }
    await running.untilStopped(
      server,
      facts,
      `programs reach ${services.join(', ')} as ${realm.client} on ${where}`,
      upgrades,
    )
  }
  try {
    await withRealm(terminal, options, use, {
      maxRequest,
      maxResponse,
      fetch,
      logger,
      services: servicesOf(routes),
    })
  } finally {
    for (const upstream of upstreams.values()) upstream.close()
    await running.end()
  }
}

/** @throws OrthrusError `unavailable` where more could use it than was asked for. @throws TypeError */
function requireUsers(options: CallArguments, listen: Place): UserRule | undefined {
  if (!isOfThisMachine(listen) && options.allowOtherMachines !== true) {
    throw new OrthrusError(
      'unavailable',
      `${shownPlace(options.listen)} can be reached from other machines: whoever does would act as this principal, in plain text`,
      {
        final: true,
        hint: 'listen on 127.0.0.1 or a Unix socket, or add --allow-other-machines if only those reach it who may do so',
      },
    )
  }
  return userRuleFor(options, listen)
}

function faultsBy(rule: UserRule | undefined): (socket: Socket) => Promise<Fault | undefined> {
  return async socket => {
    const text = await rule?.(socket)
    return text === undefined ? undefined : { status: 403, word: 'user_refused', text }
  }
}

/** @throws TypeError if no service is named, or half of one */
function routesOf(
  { service, to, map = [], host = [], connections }: CallArguments,
  anyName: boolean,
): { readonly routes: Routes; readonly upstreams: ReadonlyMap<string, Upstream> } {
  if ((service === undefined) !== (to === undefined))
    throw new TypeError('--service NAME and --to URL go together: the service, and where it listens')
  if (service === undefined && map.length === 0)
    throw new TypeError('say which service: --service NAME --to URL, or --map HOST=SERVICE@URL for each')
  const upstreams = new Map<string, Upstream>()
  const route = (name: string, origin: URL): Route => {
    const settings = {
      place: httpPlaceOf(origin),
      timers: systemTimers,
      connections,
      waiting: 4 * connections,
    }
    const upstream = upstreams.get(origin.origin) ?? new Upstream(settings)
    upstreams.set(origin.origin, upstream)
    return { service: name, origin, upstream }
  }
  const byHost = new Map<string, Route>()
  for (const mapping of map) {
    if (byHost.has(mapping.host)) throw new TypeError(`--map names ${mapping.host} twice`)
    byHost.set(mapping.host, route(mapping.service, mapping.to))
  }
  const only = service === undefined || to === undefined ? undefined : route(service, to)
  return { routes: { only, byHost, names: new Set(host), anyName }, upstreams }
}

function servicesOf({ only, byHost }: Routes): string[] {
  const routes = [...(only === undefined ? [] : [only]), ...byHost.values()]
  return [...new Set(routes.map(({ service }) => service))]
}

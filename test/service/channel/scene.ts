import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished } from 'vitest'
import type { Channel, Realm } from '../../../client/index.js'
import {
  type AcceptChannelsOptions,
  type AcceptedChannels,
  type AcceptedTicket,
  acceptChannels,
  type LoadServiceOptions,
  type RefusedRequest,
  type Service,
} from '../../../service/index.js'
import { startRealm, type TestRealm } from '../../../testing/index.js'
import { TestLogger } from '../../support/logger.js'

/** A realm with a service `live` that accepts channels at /live, and a client `web` of it; all over the loopback. */
export interface Scene {
  readonly realm: TestRealm
  readonly service: Service
  readonly server: Server
  readonly accepted: AcceptedChannels
  readonly url: string
  readonly web: Realm
  readonly log: TestLogger
  readonly refused: RefusedRequest[]
  /** The channels as the service has them, in the order of their opening. */
  readonly served: { readonly channel: Channel; readonly ticket: AcceptedTicket }[]
}

export type Handle = (channel: Channel, ticket: AcceptedTicket) => unknown

/** Sends everything back. */
export const echo: Handle = async channel => {
  for await (const message of channel) await channel.send(message)
}

export interface SceneOptions extends Partial<Omit<AcceptChannelsOptions, 'service' | 'server'>> {
  readonly handle?: Handle
  readonly load?: Partial<LoadServiceOptions>
  /** Follows what the KDC revokes. */
  readonly follows?: boolean
}

export async function startScene(options: SceneOptions = {}): Promise<Scene> {
  const { handle = echo, load = {}, follows = false, ...accepting } = options
  const realm = await startRealm()
  await realm.add('web', 'live', 'billing')
  await realm.allow('web', 'live', { claims: { role: 'reader' }, delegable: true })
  await realm.allow('billing', 'live')
  const log = new TestLogger()
  const feed = follows ? { kdc: realm.kdc.url } : {}
  const service = await realm.loadService('live', { logger: log, ...feed, ...load })
  const server = createServer((_, res) => res.end('plain'))
  const served: Scene['served'] = []
  const refused: RefusedRequest[] = []
  const accepted = acceptChannels(
    { service, server, path: '/live', onRefused: one => void refused.push(one), ...accepting },
    (channel, ticket) => {
      served.push({ channel, ticket })
      return handle(channel, ticket)
    },
  )
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/live`
  const web = await realm.connect('web')
  onTestFinished(async () => {
    web.close()
    await accepted.close()
    await service.close()
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
    await realm.close()
  })
  return { realm, service, server, accepted, url, web, log, refused, served }
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

export const textOf = (message: Uint8Array | undefined): string | undefined =>
  message && new TextDecoder().decode(message)

/** All that is left to be taken. */
export async function rest(channel: Channel): Promise<string[]> {
  const all: string[] = []
  for await (const message of channel) all.push(textOf(message) ?? '')
  return all
}

/** What a promise fails with. */
export async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise
  } catch (cause) {
    return cause
  }
  return undefined
}

/** Waits until a count that grows has not grown for a while, in which much more would have come. @returns the count */
export async function settled(count: () => number): Promise<number> {
  let last = -1
  let same = 0
  await expect
    .poll(
      () => {
        same = count() === last && last > 0 ? same + 1 : 0
        last = count()
        return same
      },
      { interval: 50 },
    )
    .toBeGreaterThanOrEqual(8)
  return last
}

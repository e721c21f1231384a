import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Realm } from '../../client/connect.js'
import type { RefusedRequest, Service } from '../../service/index.js'
import { requireTicket } from '../../service/require-ticket.js'
import { OrthrusError } from '../../shared/errors.js'
import { principalIn } from '../../shared/principal.js'
import { DAY, HOUR, MINUTE, SECOND } from '../../shared/time.js'
import { startRealm, type TestRealm } from '../../testing/index.js'
import { failureOf } from '../support/failure.js'
import { passTime, turns, until } from '../support/turns.js'
import { temporaryFolder } from './processes.js'

/** A day without a KDC: a realm with its client and its service, over real sockets, on a clock that the test moves. */

const STEP = 15 * MINUTE

class Scene {
  readonly realm: TestRealm
  readonly #feedFile: string
  #server: Server | undefined
  service: Service | undefined
  readonly refused: RefusedRequest['code'][] = []
  #url = ''

  private constructor(realm: TestRealm, folder: string) {
    this.realm = realm
    this.#feedFile = join(folder, 'orders.feed')
  }

  static async start(): Promise<Scene> {
    const realm = await startRealm()
    const { folder, remove } = await temporaryFolder()
    const scene = new Scene(realm, folder)
    onTestFinished(async () => {
      await scene.stop()
      await realm.close()
      await remove()
    })
    await realm.add('web', 'thief', 'orders')
    for (const client of ['web', 'thief']) await realm.allow(client, 'orders')
    return scene
  }

  async serve(): Promise<void> {
    const { realm } = this
    const service = await realm.loadService('orders', { kdc: realm.kdc.url, feedFile: this.#feedFile })
    const onRefused = ({ code }: RefusedRequest): void => void this.refused.push(code)
    const server = createServer(requireTicket({ service, onRefused }, (_req, res) => void res.end('served')))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    this.service = service
    this.#server = server
    this.#url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections()
    this.#server?.close()
    await this.service?.close()
  }

  /** Lets time pass, as slowly as real sockets need it, until it is so. */
  async passUntil(isSo: () => boolean | undefined): Promise<void> {
    const end = performance.now() + 20_000
    while (isSo() !== true && performance.now() < end) {
      this.realm.clock.advance(100)
      await turns(20)
    }
    expect(isSo()).toBe(true)
  }

  /** `served`, or the code of the failure. */
  async call(client: Realm): Promise<unknown> {
    try {
      return await (await client.fetch(this.#url, { service: 'orders' })).text()
    } catch (cause) {
      return cause instanceof OrthrusError ? cause.code : cause
    }
  }

  /** Time passes, and the client calls in each step. @returns what it got, each outcome once */
  async callFor(client: Realm, time: number): Promise<unknown[]> {
    const outcomes = new Set<unknown>()
    for (let passed = 0; passed < time; passed += STEP) {
      this.realm.clock.advance(STEP)
      await turns(3)
      outcomes.add(await this.call(client))
    }
    return [...outcomes]
  }
}

describe('a realm that is to survive a day', () => {
  it('serves a client with a warm cache for a day without any KDC, also over a restart of its service', {
    timeout: 60_000,
  }, async () => {
    const scene = await Scene.start()
    const { realm } = scene
    const { clock } = realm
    await realm.administration.settings.change({ survive: DAY })
    await scene.serve()
    await until(() => scene.service?.state.ready === true)
    const [web, thief] = [await realm.connect('web'), await realm.connect('thief')]
    expect([await scene.call(web), await scene.call(thief)]).toEqual(['served', 'served'])

    // Refreshed early: nothing but time has passed, and tickets are younger than the outage that they must survive.
    for (let i = 0; i < 3; i++) {
      clock.advance(7 * HOUR)
      await scene.passUntil(() => scene.service?.state.feed?.connected)
      for (const client of [web, thief]) await client.getServiceTicket('orders')
      await turns(20)
    }
    const ticket = await web.getServiceTicket('orders')
    expect(ticket.endTime - clock.now()).toBeGreaterThan(DAY)
    await realm.administration.disable(principalIn(realm.kdc.realm, 'thief'))
    await scene.passUntil(() => scene.service?.state.feed?.revocations === 1)

    await passTime(clock, realm.kdc.close())
    expect(await scene.callFor(web, 12 * HOUR)).toEqual(['served'])
    await scene.stop()
    await scene.serve()
    clock.advance(10 * SECOND)
    expect(await scene.callFor(web, 12 * HOUR - STEP)).toEqual(['served'])
    // What was revoked before is still refused by the process that was started without a KDC.
    expect(await passTime(clock, scene.call(thief), 10)).not.toBe('served')
    expect(scene.refused).toEqual(['revoked'])

    expect(await scene.callFor(web, 2 * STEP)).toContain('unavailable')
    expect(scene.service?.state.feed?.stale).toBe(true)
  })

  it('serves for no longer than ten minutes where that is not set', async () => {
    const scene = await Scene.start()
    await scene.serve()
    await until(() => scene.service?.state.ready === true)
    const web = await scene.realm.connect('web')
    expect(await scene.call(web)).toBe('served')
    await scene.realm.kdc.close()
    scene.realm.clock.advance(11 * MINUTE)
    await turns()
    expect(await scene.call(web)).toBe('unavailable')
    expect(await failureOf(web.getServiceTicket('stock'))).toMatchObject({ code: 'unavailable' })
  })
})

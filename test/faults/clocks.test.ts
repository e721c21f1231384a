import { describe, expect, it } from 'vitest'
import type { OrthrusError } from '../../shared/errors.js'
import { HOUR, MINUTE, SECOND } from '../../shared/time.js'
import type { Asked } from '../simulation/ledger.js'
import { World } from '../simulation/world.js'

/** Clocks are stepped by hours while tickets are held: what each party does, says, and how it recovers. */

const STEP = 3 * HOUR
/** How long tickets for services live in the realm of the simulation. */
const SERVICE_LIFE = 20 * MINUTE

class Scene {
  readonly world: World

  private constructor(world: World) {
    this.world = world
  }

  /** A client `web` with a ticket for a service `orders` that it has used. */
  static async create(): Promise<Scene> {
    const world = await World.create(1)
    world.network.honest = true
    const scene = new Scene(world)
    await world.timeline.pass(MINUTE)
    expect((await scene.get()).told).toBe('200')
    return scene
  }

  get(service = 'orders'): Promise<Asked> {
    return this.#ask('GET', service)
  }

  post(service = 'orders'): Promise<Asked> {
    return this.#ask('POST', service)
  }

  step(party: 'web' | 'orders' | 'KDC', error: number): void {
    this.#clockOf(party).set(error)
  }

  stepAll(error: number): void {
    for (const clock of this.world.clocks) clock.set(error)
  }

  /** Everything that was sent arrives again, and nothing is handled because of it. */
  async replayed(): Promise<void> {
    const handled = (): number =>
      [...this.world.ledger.all].reduce((sum, { handled }) => sum + handled.length, 0)
    const before = handled()
    this.world.network.replay(Number.POSITIVE_INFINITY, 30)
    await this.world.timeline.pass(SECOND)
    expect(handled()).toBe(before)
    expect(this.world.ledger.violations).toEqual([])
  }

  errors(name: string): readonly string[] {
    return this.#service(name).errors
  }

  mayRestart(name: string): boolean {
    return this.#service(name).mayStart
  }

  async restartClient(): Promise<void> {
    const [web] = this.world.clients
    if (web !== undefined) await this.world.restart(web)
  }

  async restart(name: string): Promise<void> {
    const service = this.#service(name)
    service.stop()
    await service.start()
  }

  #ask(method: string, service: string): Promise<Asked> {
    const safe = method === 'GET'
    const about = {
      client: 'web',
      service,
      method,
      body: safe ? '' : 'pay',
      safe,
      repeatable: false,
    } as const
    return this.world.ask({ ...about, kind: 'ok' })
  }

  #service(name: string) {
    const found = this.world.services.find(service => service.name === name)
    if (found === undefined) throw new Error(`no service ${name}`)
    return found
  }

  #clockOf(party: 'web' | 'orders' | 'KDC') {
    if (party === 'KDC') return this.world.kdc.clock
    const owner = [...this.world.services, ...this.world.clients].find(({ name }) => name === party)
    if (owner === undefined) throw new Error(`no ${party}`)
    return owner.clock
  }
}

const hintOf = ({ cause }: Asked): string | undefined => (cause as OrthrusError).facts.hint

describe.each([STEP, -STEP])('a clock that is stepped by %d ms', by => {
  it('at the client has no effect, since it keeps the KDC’s time', async () => {
    const scene = await Scene.create()
    scene.step('web', by)
    expect(await scene.get()).toMatchObject({ told: '200', sent: { length: 1 } })
    expect(await scene.post('stock')).toMatchObject({ told: '200', sent: { length: 1 } })
    await scene.replayed()
  })

  it('at the KDC leaves the tickets that were issued as they are', async () => {
    const scene = await Scene.create()
    scene.step('KDC', by)
    expect(await scene.get()).toMatchObject({ told: '200', sent: { length: 1 } })
    expect(await scene.post()).toMatchObject({ told: '200', sent: { length: 1 } })
    await scene.replayed()
  })

  it('everywhere at once costs a request to each running service, and nothing is handled twice', async () => {
    const scene = await Scene.create()
    scene.stepAll(by)
    // The client asks the KDC for its time, and for a new ticket if its own has ended; the service's floor rises.
    const told = by > 0 ? 'clock_skew' : 'unavailable'
    expect((await scene.post()).told).toBe(told)
    await scene.replayed()
    scene.stepAll(0)
    await scene.world.timeline.pass(STEP)
    expect((await scene.get()).told).toBe('200')
    expect(await scene.post()).toMatchObject({ told: '200', sent: { length: 1 } })
    await scene.replayed()
  })
})

describe('a service whose clock is stepped', () => {
  it('forward by hours refuses tickets as ended, says so, and serves again after its clock is right', async () => {
    const scene = await Scene.create()
    scene.step('orders', STEP)
    const refused = await scene.post()
    expect(refused).toMatchObject({ told: 'ticket_expired', handled: [] })
    expect(hintOf(refused)).toContain("the clock of orders is ahead of the KDC's: one of the two is wrong")
    expect((await scene.get()).told).toBe('ticket_expired')
    scene.step('orders', 0)
    expect((await scene.get()).told).toBe('unavailable')
    expect(scene.errors('orders')).toContain('clock_went_back')
    await scene.replayed()
    await scene.world.timeline.pass(STEP)
    expect((await scene.get()).told).toBe('200')
    await scene.replayed()
  })

  it('forward within the life of a ticket refuses one POST, whose caller learns by how much, and no GET', async () => {
    const scene = await Scene.create()
    scene.step('orders', 10 * MINUTE)
    const refused = await scene.post()
    expect(refused).toMatchObject({ told: 'clock_skew', handled: [], cause: { final: false } })
    const { facts } = refused.cause as OrthrusError
    expect(facts.hint).toContain('orders')
    expect((facts.time ?? 0) - scene.world.kdc.clock.now()).toBeCloseTo(10 * MINUTE, -3)
    expect(await scene.post()).toMatchObject({ told: '200', sent: { length: 1 } })
    expect((await scene.get('stock')).told).toBe('200')
    scene.step('orders', 0)
    expect((await scene.post()).told).toBe('unavailable')
    expect(scene.mayRestart('orders')).toBe(false)
    await scene.replayed()
    await scene.world.timeline.pass(10 * MINUTE)
    expect((await scene.get()).told).toBe('200')
    await scene.replayed()
  })

  it('back by hours accepts nothing, says why in its log, and serves once it is right', async () => {
    const scene = await Scene.create()
    scene.step('orders', -STEP)
    expect(await scene.post()).toMatchObject({ told: 'unavailable', handled: [] })
    expect((await scene.get()).told).toBe('unavailable')
    expect(scene.errors('orders')).toEqual(['clock_went_back'])
    await scene.replayed()
    scene.step('orders', 0)
    const served = await scene.get()
    expect(served.told).toBe('200')
    expect(served.sent.length).toBeLessThanOrEqual(2)
    expect(await scene.post()).toMatchObject({ told: '200', sent: { length: 1 } })
    await scene.replayed()
  })

  it('forward, and that is restarted before and after it is right, handles no old request', async () => {
    const scene = await Scene.create()
    expect((await scene.post()).told).toBe('200')
    scene.step('orders', STEP)
    await scene.restart('orders')
    await scene.replayed()
    expect((await scene.get()).told).toBe('ticket_expired')
    scene.step('orders', 0)
    await scene.restart('orders')
    await scene.replayed()
    expect((await scene.get()).told).toBe('200')
    await scene.replayed()
  })
})

describe('a KDC whose clock was stepped', () => {
  it('forward issues tickets that no service accepts yet, which are replaced once it is right', async () => {
    const scene = await Scene.create()
    scene.step('KDC', STEP)
    await scene.restartClient()
    expect((await scene.post()).told).toBe('clock_skew')
    const refused = await scene.post()
    expect(refused).toMatchObject({ told: 'ticket_not_yet_valid, final', handled: [] })
    expect(hintOf(refused)).toContain("the clock of orders is behind the KDC's: one of the two is wrong")
    scene.step('KDC', 0)
    // The KDC refuses the TGT, which begins too late too, and reports the time at the login that follows.
    expect((await scene.get('stock')).told).toBe('200')
    expect(await scene.post()).toMatchObject({ told: '200', sent: { length: 1 } })
    await scene.replayed()
  })

  it('forward is forgotten within the life of a ticket by clients that ask it nothing meanwhile', async () => {
    const scene = await Scene.create()
    scene.step('KDC', STEP)
    await scene.restartClient()
    expect((await scene.get()).told).toBe('ticket_not_yet_valid')
    scene.step('KDC', 0)
    expect((await scene.get()).told).toBe('ticket_not_yet_valid, final')
    await scene.world.timeline.pass(SERVICE_LIFE)
    expect((await scene.get()).told).toBe('200')
  })

  it('back issues tickets that have ended, which are replaced once it is right', async () => {
    const scene = await Scene.create()
    await scene.world.timeline.pass(STEP + HOUR)
    scene.step('KDC', -STEP)
    await scene.restartClient()
    const refused = await scene.post()
    expect(refused).toMatchObject({ told: 'ticket_expired', handled: [] })
    expect(hintOf(refused)).toContain("the clock of orders is ahead of the KDC's: one of the two is wrong")
    scene.step('KDC', 0)
    expect(await scene.get()).toMatchObject({ told: '200', sent: { length: 2 } })
    expect(await scene.post()).toMatchObject({ told: '200', sent: { length: 1 } })
    await scene.replayed()
  })
})

it.each([STEP, -STEP])(
  'a client that starts with a clock %d ms wrong learns the time at its login',
  async by => {
    const scene = await Scene.create()
    scene.step('web', by)
    await scene.restartClient()
    expect(await scene.post()).toMatchObject({ told: '200', sent: { length: 1 } })
    expect(await scene.get()).toMatchObject({ told: '200', sent: { length: 1 } })
    await scene.replayed()
  },
)

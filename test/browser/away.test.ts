import { describe, expect, it } from 'vitest'
import type { Channel } from '../../client/index.js'
import { hasChromium, openContext } from '../support/chromium.js'
import { PlainPage } from '../support/plain-page.js'
import { PASSWORD, type PageWorld, startPageWorld, startWithAnn } from './page.js'

/** Pages that the browser stops for a while, or that have no network, while tickets end, channels break and people log out. */

const HOUR = 3_600_000

declare global {
  /** What a channel said when it ended. */
  var ended: Promise<string>
  /** In the order in which they came. */
  var events: string[]
  /** Lets both clocks of the page leap. */
  var sleep: (milliseconds: number) => void
}

/** A page, be it one of Playwright's or not. */
type Evaluating = Pick<PlainPage, 'evaluate'>

/** Logs in, keeps the login for tabs, and opens a channel, which is read until it ends. */
async function enter(page: Evaluating, { realm, orders }: PageWorld): Promise<void> {
  await page.evaluate(
    async ({ kdc, password, orders }) => {
      globalThis.events ??= []
      addEventListener(
        'pageshow',
        ({ persisted }) => void globalThis.events.push(`shown, kept: ${persisted}`),
      )
      const onLogout = (): unknown => globalThis.events.push('logged out')
      const [principal, keepLogin, services] = ['ann@test.example', 'tabs', { [orders]: 'orders' }] as const
      globalThis.realm = await orthrus.connect({ kdc, principal, password, keepLogin, services, onLogout })
      const channel: Channel = await globalThis.realm.openChannel(`${orders.replace('http', 'ws')}/echo`)
      globalThis.ended = channel.receive().then(String, error => (error as Error).message)
    },
    { kdc: realm.kdc.url, password: PASSWORD, orders },
  )
}

/** What a call says, or its error; and a new channel. */
function useAgain(page: Evaluating, { orders }: PageWorld): Promise<string[]> {
  return page.evaluate(async orders => {
    const told = (error: unknown): string => (error as Error).message
    const called = globalThis.realm.fetch(orders).then(response => response.text(), told)
    const echoed = async (): Promise<string> => {
      const channel = await globalThis.realm.openChannel(`${orders.replace('http', 'ws')}/echo`)
      await channel.send('after')
      const message = new TextDecoder().decode(await channel.receive())
      channel.abort()
      return message
    }
    return [await called, await echoed().catch(told)]
  }, orders)
}

const GOES_ON = ['ann@test.example GET', 'after']

/** What a page has before its scripts: a note of what becomes of it, and clocks that can leap, as they do in a sleep. */
function first(): void {
  globalThis.events = []
  for (const name of ['freeze', 'resume'])
    document.addEventListener(name, () => void globalThis.events.push(name))
  let slept = 0
  const [now, monotonic] = [Date.now, performance.now.bind(performance)]
  Date.now = () => now() + slept
  performance.now = () => monotonic() + slept
  globalThis.sleep = milliseconds => {
    slept += milliseconds
  }
}

describe.skipIf(!hasChromium)('a page that was away', { timeout: 120_000 }, () => {
  it('goes on after it was frozen, while its ticket ended and its channel with it, and hears of a logout meanwhile', async () => {
    const world = await startWithAnn()
    const [page, other] = [
      await PlainPage.open(world.origin, first),
      await PlainPage.open(world.origin, first),
    ]
    const turn = (state: 'frozen' | 'active') => page.send('Page.setWebLifecycleState', { state })
    await enter(page, world)
    await other.evaluate(async () => {
      globalThis.realm = await orthrus.connect({ login: true })
    })
    await turn('frozen')
    world.realm.clock.advance(2 * HOUR)
    await page.evaluate(hours => globalThis.sleep(hours), 2 * HOUR)
    await turn('active')
    expect(await page.evaluate(() => globalThis.ended)).toMatch(/ticket_expired|channel_broken/)
    expect(await useAgain(page, world)).toEqual(GOES_ON)
    await turn('frozen')
    await other.evaluate(() => globalThis.realm.logout())
    await turn('active')
    await expect.poll(() => page.evaluate(() => globalThis.events)).toContain('logged out')
    const turns = (await page.evaluate(() => globalThis.events)).filter(each => each !== 'logged out')
    expect(turns).toEqual(['freeze', 'resume', 'freeze', 'resume'])
    expect(await useAgain(page, world)).toEqual(Array(2).fill(expect.stringMatching(/the realm was closed/)))
  })

  it('goes on when somebody comes back to it, unless another page was opened meanwhile', async () => {
    const world = await startWithAnn()
    const context = await openContext()
    const { page } = await world.open(context)
    const leaveAndReturn = async (meanwhile: () => Promise<unknown>): Promise<void> => {
      await page.goto(`${world.origin}/other`)
      await meanwhile()
      await page.goBack({ waitUntil: 'commit' })
    }
    await enter(page, world)
    await leaveAndReturn(async () => {})
    expect(await page.evaluate(() => globalThis.events)).toContain('shown, kept: true')
    expect(await page.evaluate(() => globalThis.ended)).toMatch(/channel_broken/)
    expect(await useAgain(page, world)).toEqual(GOES_ON)
    // It has the only login, and is in no tab: a page that asks for one gets none, and it is not kept any longer.
    await leaveAndReturn(async () => {
      const { page: other } = await world.open(context)
      const asked = other.evaluate(() =>
        orthrus.connect({ login: true }).catch(error => (error as Error).message),
      )
      expect(await asked).toMatch(/there is no login in this browser/)
    })
    await page.waitForLoadState()
    expect(await page.evaluate(() => globalThis.realm === undefined)).toBe(true)
  })

  it('says that it is offline, and goes on when it is online again', async () => {
    const world = await startPageWorld()
    const context = await openContext()
    const { page } = await world.open(context)
    const connect = (): Promise<string> =>
      page.evaluate(
        async ({ kdc, text, orders }) => {
          try {
            globalThis.realm = await orthrus.connect({
              kdc,
              keytab: { text },
              services: { [orders]: 'orders' },
            })
            return globalThis.realm.client
          } catch (error) {
            return (error as Error).message
          }
        },
        { kdc: world.realm.kdc.url, text: world.realm.keytab('web'), orders: world.orders },
      )
    expect(await connect()).toBe('web@test.example')
    // What is loaded later has to be there.
    const goesOn = ['web@test.example GET', 'after']
    expect(await useAgain(page, world)).toEqual(goesOn)
    await context.setOffline(true)
    const [called, opened] = await useAgain(page, world)
    expect(called).toMatch(
      /^unavailable: .* \(the request may have been handled; the browser is offline: try again/,
    )
    expect(opened).toMatch(
      /^unavailable: .*\/echo cannot be reached: there is no network: the browser is offline/,
    )
    expect(await connect()).toMatch(/^unavailable: the KDC at \S+ cannot be reached: there is no network/)
    await context.setOffline(false)
    expect(await useAgain(page, world)).toEqual(goesOn)
  })
})

import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parsePrincipal } from '../../shared/principal.js'
import { hasChromium, openContext, openPage, serveFiles } from '../support/chromium.js'
import { ConsolePage } from '../support/console-page.js'
import { type ConsoleRealm, startConsoleRealm } from '../support/console-realm.js'
import { TcpProxy } from '../support/tcp-proxy.js'

/** The login that the tabs of one browser share. */

const PASSWORD = 'correct horse battery'
/** For a test of many steps on a busy machine, milliseconds. */
const LONG = 90_000

describe.skipIf(!hasChromium)('tabs of the console in one browser', () => {
  let realm: ConsoleRealm
  beforeAll(async () => {
    realm = await startConsoleRealm()
    for (const name of ['ann', 'bea']) {
      await realm.person(name, PASSWORD)
      await realm.makeAdministrator(name)
    }
  })
  afterAll(() => realm.close())

  it(
    'go on with one login, are never somebody else unasked, give it to no page that is not of the KDC, and log out together',
    async () => {
      const context = await openContext()
      const proxy = await TcpProxy.start(realm.port)
      const url = `http://localhost:${proxy.port}/`
      const tab = (place = ''): Promise<ConsolePage> => ConsolePage.open(`${url}${place}`, { context })

      const [first, idle] = [await tab(), await tab()]
      await first.logIn('ann', PASSWORD)
      const second = await tab('#/principals/ann%40demo.example')
      await second.page.getByRole('article', { name: 'ann@demo.example' }).waitFor()
      await isNow(second, 'ann')
      await first.page.reload()
      await isNow(first, 'ann')
      expect(await stored(first.page)).toEqual([['orthrus-theme'], [], [], '', null, ''])
      await renewedInBoth(first, second)
      await somebodyElse(idle, [first, second])
      await squatted(proxy, url, context, first)
      await loggedOut(idle, [first, second])
    },
    LONG,
  )

  /** What ended in both and is made again in one goes on in the other. */
  async function renewedInBoth(one: ConsolePage, other: ConsolePage): Promise<void> {
    await realm.administration.revocations.client(parsePrincipal('ann@demo.example'))
    const dialogOf = ({ page }: ConsolePage) => page.getByRole('dialog', { name: 'Log in again' })
    await dialogOf(other).waitFor()
    await dialogOf(one).getByLabel('Password').fill(PASSWORD)
    await dialogOf(one).getByRole('button', { name: 'Log in' }).click()
    for (const each of [one, other]) await dialogOf(each).waitFor({ state: 'detached' })
    await isNow(other, 'ann')
  }

  /** Others end, and go on as that one only if they are told to. */
  async function somebodyElse(idle: ConsolePage, others: readonly ConsolePage[]): Promise<void> {
    await idle.page.getByRole('button', { name: 'Go on as ann' }).waitFor()
    await idle.logIn('bea', PASSWORD)
    for (const { page } of others) {
      await page.getByText('Somebody else has logged in in another tab').waitFor()
      expect(await page.evaluate(() => location.hash)).toBe('')
    }
    const [one, two] = others as [ConsolePage, ConsolePage]
    await one.page.getByRole('button', { name: 'Go on as bea' }).click()
    await two.page.reload()
    for (const each of others) await isNow(each, 'bea')
  }

  /** Who listens in the place of a KDC that is down has pages of its origin. */
  async function squatted(proxy: TcpProxy, url: string, context: BrowserContext, one: ConsolePage) {
    // The question is the right one.
    expect(await answersTo(one.page)).toBe(3)
    const hostile = await serveFiles({ '/': '<!doctype html>' })
    proxy.leadTo(Number(new URL(hostile).port))
    proxy.breakUp()
    const squatter = await openPage(url, context)
    expect(await squatter.page.title()).toBe('')
    expect(await answersTo(squatter.page)).toBe(0)
    proxy.leadTo(realm.port)
    // The browser would go on asking the other one.
    proxy.breakUp()
    await one.page.getByText('The connection to the KDC is lost. What you see').waitFor({ state: 'detached' })
  }

  async function loggedOut(one: ConsolePage, others: readonly ConsolePage[]): Promise<void> {
    await one.page.getByRole('button', { name: 'Log out' }).click()
    await one.page.getByText('You are logged out, in this tab and in all others.').waitFor()
    for (const { page } of others) {
      await page.getByText('You logged out in another tab').waitFor()
      await page.reload()
      await page.getByLabel('Password').waitFor()
    }
    await expect.poll(() => realm.kdc.connections).toBe(0)
  }
})

/** Who the page says that it is. */
async function isNow({ page }: ConsolePage, name: string): Promise<void> {
  await page.getByRole('banner').getByText(name, { exact: true }).waitFor()
}

const stored = (page: Page): Promise<unknown> =>
  page.evaluate(async () => [
    Object.keys(localStorage),
    Object.keys(sessionStorage),
    await indexedDB.databases(),
    document.cookie,
    history.state,
    window.name,
  ])

/** How many logins the other pages give to whoever asks in this one. */
const answersTo = (page: Page): Promise<number> =>
  page.evaluate(
    () =>
      new Promise<number>(resolve => {
        const question = 'ab'.repeat(16)
        const channel = new BroadcastChannel('orthrus logins 1')
        let heard = 0
        channel.onmessage = ({ data }) => {
          if (data.answers === question) heard += 1
        }
        channel.postMessage({ ask: question })
        setTimeout(() => resolve(heard), 1000)
      }),
  )

import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import { hasChromium, openContext, openPage, serveFiles } from '../support/chromium.js'
import { PASSWORD, type PageWorld, pageFiles, startWithAnn } from './page.js'

/** Storage that the browser denies, and what a page of another version of the library keeps and says. */

const logIn = (page: Page, { realm, orders }: PageWorld, keepLogin: 'tabs' | 'storage'): Promise<string> =>
  page.evaluate(
    async ({ kdc, password, keepLogin, orders }) => {
      try {
        const [principal, services] = ['ann@test.example', { [orders]: 'orders' }]
        const onProgress = (): void => {
          document.title = 'worked'
        }
        const options = { kdc, principal, password, keepLogin, onProgress, services }
        globalThis.realm = await orthrus.connect(options)
        return await (await globalThis.realm.fetch(orders)).text()
      } catch (error) {
        return (error as Error).message
      }
    },
    { kdc: realm.kdc.url, password: PASSWORD, keepLogin, orders },
  )

/** @returns the error */
const goOn = (page: Page): Promise<string> =>
  page.evaluate(() =>
    orthrus.connect({ login: true }).then(
      realm => realm.client,
      error => (error as Error).message,
    ),
  )

const CALLED = 'ann@test.example GET'

describe.skipIf(!hasChromium)('a page', { timeout: 120_000 }, () => {
  it('says that the browser keeps nothing for it, before the work of a password', async () => {
    const world = await startWithAnn()
    const headers = { 'content-security-policy': 'sandbox allow-scripts', 'access-control-allow-origin': '*' }
    const { page } = await openPage(await serveFiles(await pageFiles(), headers))
    expect(await logIn(page, world, 'storage')).toMatch(
      /^login_invalid: the browser's storage cannot be used: SecurityError \(is it a private window/,
    )
    expect(await page.title()).toBe('page')
    expect(await goOn(page)).toMatch(/^login_invalid: there is no login in this browser/)
  })

  it('refuses what a newer version of the library keeps and says, and goes on with its own', async () => {
    const world = await startWithAnn()
    const context = await openContext()
    const [{ page: older }, { page: newer }] = [await world.open(context), await world.open(context)]
    expect(await logIn(older, world, 'tabs')).toBe(CALLED)
    await newer.evaluate(() => {
      const channel = new BroadcastChannel('orthrus logins 1')
      const login = '# orthrus login 2\northruslogin2_AAAA\n'
      channel.postMessage({ began: login })
      channel.postMessage({ moved: { to: login } })
      channel.onmessage = ({ data }) => {
        if (data.ask !== undefined) channel.postMessage({ answers: data.ask, login })
      }
    })
    const { page: third } = await world.open(context)
    expect(await goOn(third)).toBe('ann@test.example')
    expect(await logIn(third, world, 'storage')).toBe(CALLED)
    await newer.evaluate(async () => {
      const whenDone = <T>(request: IDBRequest<T>): Promise<T> =>
        new Promise(resolve => {
          request.onsuccess = () => resolve(request.result)
        })
      const database = await whenDone(indexedDB.open('orthrus'))
      const store = () => database.transaction('logins', 'readwrite').objectStore('logins')
      const client = 'ann@test.example'
      const { key, nonce } = await whenDone(store().get(client))
      const bytes = new TextEncoder()
      const additionalData = bytes.encode(`orthrus login 1 ${client}`)
      const settings = { name: 'AES-GCM', iv: nonce, additionalData }
      const box = await crypto.subtle.encrypt(settings, key, bytes.encode('# orthrus login 2\nnew\n'))
      await whenDone(store().put({ key, nonce, box }, client))
      database.close()
    })
    const { page: fourth } = await world.open(context)
    expect(await goOn(fourth)).toMatch(
      /^login_invalid: .* is of another version of Orthrus: .* \(ask for the password, and log in again/,
    )
    await newer.evaluate(async () => {
      const opening = indexedDB.open('orthrus', 2)
      await new Promise(resolve => {
        opening.onsuccess = resolve
      })
      opening.result.close()
    })
    expect(await goOn(fourth)).toMatch(
      /^login_invalid: .*: VersionError \(another page of this origin has a newer version .*: load this one again/,
    )
    // Who is logged in stays so: what cannot be kept any more is in memory.
    const called = third.evaluate(async orders => (await globalThis.realm.fetch(orders)).text(), world.orders)
    expect(await called).toBe(CALLED)
  })
})

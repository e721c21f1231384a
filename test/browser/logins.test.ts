import type { BrowserContext, Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import { hasChromium, openContext, openPage, serveFiles } from '../support/chromium.js'
import { PASSWORD, type PageWorld, startWithAnn } from './page.js'

/** Logins that pages of one origin share, in memory or in the browser's storage, and what others get of them. */

function logIn(page: Page, { realm }: PageWorld, keepLogin: 'tabs' | 'storage'): Promise<void> {
  return page.evaluate(
    async ({ kdc, password, keepLogin }) => {
      const onLogout = (): void => {
        document.title = 'logged out'
      }
      const options = { kdc, principal: 'ann@test.example', password, keepLogin, onLogout }
      globalThis.realm = await orthrus.connect(options)
    },
    { kdc: realm.kdc.url, password: PASSWORD, keepLogin },
  )
}

/** Goes on with the login that there is. @returns what the service says, or the error */
function goOn(page: Page, { orders }: PageWorld): Promise<string> {
  return page.evaluate(async orders => {
    try {
      const onLogout = (): void => {
        document.title = 'logged out'
      }
      globalThis.realm = await orthrus.connect({ login: true, onLogout })
      return await (await globalThis.realm.fetch(orders, { service: 'orders' })).text()
    } catch (error) {
      return (error as Error).message
    }
  }, orders)
}

async function tab(world: PageWorld, context: BrowserContext): Promise<Page> {
  return (await world.open(context)).page
}

const call = (page: Page, { orders }: PageWorld): Promise<string> =>
  page.evaluate(
    orders =>
      globalThis.realm.fetch(orders, { service: 'orders' }).then(
        response => response.text(),
        error => (error as Error).message,
      ),
    orders,
  )

/** All that a script of the page's origin finds in storage, as text. */
const stored = (page: Page): Promise<string> =>
  page.evaluate(async () => {
    const databases = await indexedDB.databases()
    return JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, databases])
  })

const NOTHING = JSON.stringify([{}, {}, '', []])

/** Another origin hears nothing and ends nothing; a script of this origin may say anything, and what is no message is not heard. */
async function expectHarmless(world: PageWorld, context: BrowserContext, page: Page): Promise<void> {
  const ask = () =>
    new Promise<unknown[]>(resolve => {
      const channel = new BroadcastChannel('orthrus logins 1')
      const heard: unknown[] = []
      channel.onmessage = ({ data }) => heard.push(data)
      channel.postMessage({ ask: 'ab'.repeat(16) })
      channel.postMessage({ ended: 'ann@test.example' })
      setTimeout(() => resolve(heard), 300)
    })
  const evil = await openPage(await serveFiles({ '/': '<!doctype html>' }), context)
  expect(await evil.page.evaluate(ask)).toEqual([])
  const forging = await tab(world, context)
  await forging.evaluate(() => {
    const channel = new BroadcastChannel('orthrus logins 1')
    const login = '# orthrus login 1\northruslogin1_AAAA\n'
    const odd = [null, 7, 'ask', {}, { ask: 7 }, { ask: '' }, { ended: 'x' }, { ended: {} }, { login }]
    for (const message of odd) channel.postMessage(message)
    channel.onmessage = ({ data }) => {
      if (data.ask !== undefined) channel.postMessage({ answers: data.ask, login })
    }
  })
  expect(await call(page, world)).toBe('ann@test.example GET')
  expect(await goOn(await tab(world, context), world)).toBe('ann@test.example GET')
}

describe.skipIf(!hasChromium)('pages of one origin', { timeout: 120_000 }, () => {
  it('share a login in memory with no other origin, store nothing, heed no forged message, and log out together', async () => {
    const world = await startWithAnn()
    const context = await openContext()
    const [first, second] = [await tab(world, context), await tab(world, context)]
    expect(await goOn(second, world)).toMatch(/login_invalid: there is no login in this browser .*keepLogin/)
    await logIn(first, world, 'tabs')
    expect(await goOn(second, world)).toBe('ann@test.example GET')
    expect([await stored(first), await stored(second)]).toEqual([NOTHING, NOTHING])
    await expectHarmless(world, context, second)
    // The page that logged in is gone, and a third one asks the second.
    await first.close()
    const third = await tab(world, context)
    expect(await goOn(third, world)).toBe('ann@test.example GET')
    await third.evaluate(() => globalThis.realm.logout())
    await expect.poll(() => second.title()).toBe('logged out')
    expect(await call(second, world)).toMatch(/unavailable: the realm was closed/)
    expect(await goOn(second, world)).toMatch(/there is no login/)
  })

  it('find a login that was kept in storage after the browser was closed, until somebody logs out', async () => {
    const world = await startWithAnn()
    const context = await openContext()
    const first = await tab(world, context)
    await logIn(first, world, 'storage')
    await first.close()
    const [second, third] = [await tab(world, context), await tab(world, context)]
    expect(await goOn(second, world)).toBe('ann@test.example GET')
    expect(await goOn(third, world)).toBe('ann@test.example GET')
    const kept = await second.evaluate(async () => {
      const opening = indexedDB.open('orthrus')
      await new Promise(resolve => {
        opening.onsuccess = resolve
      })
      const request = opening.result.transaction('logins').objectStore('logins').getAll()
      await new Promise(resolve => {
        request.onsuccess = resolve
      })
      opening.result.close()
      const [{ key, box }] = request.result
      const text = new TextDecoder('latin1').decode(box)
      const exported = await crypto.subtle.exportKey('raw', key).then(
        () => 'copied',
        () => 'refused',
      )
      return [request.result.length, key.extractable, exported, /orthrus|ann|orders/.test(text)]
    })
    expect(kept).toEqual([1, false, 'refused', false])
    await second.evaluate(() => globalThis.realm.logout())
    await expect.poll(() => third.title()).toBe('logged out')
    expect(await goOn(third, world)).toMatch(/there is no login/)
  })

  it('say what is wrong with the storage that somebody changed, and take nothing of it for a login', async () => {
    const world = await startWithAnn()
    const page = await tab(world, await openContext())
    await logIn(page, world, 'storage')
    const put = (value: unknown, key: string | number) =>
      page.evaluate(
        async ({ value, key }) => {
          globalThis.realm?.close()
          const opening = indexedDB.open('orthrus')
          await new Promise(resolve => {
            opening.onsuccess = resolve
          })
          const store = opening.result.transaction('logins', 'readwrite').objectStore('logins')
          await new Promise(resolve => {
            store.put(value, key).onsuccess = resolve
          })
          opening.result.close()
        },
        { value, key },
      )
    await put({}, 7)
    await put({}, 'no principal')
    expect(await goOn(page, world)).toBe('ann@test.example GET')
    for (const [value, told] of [
      [null, 'is not in this browser'],
      ['text', 'was damaged in this browser'],
      [{ key: 'a', nonce: {}, box: 1 }, 'was damaged in this browser'],
    ] as const) {
      await put(value, 'ann@test.example')
      expect(await goOn(page, world)).toMatch(new RegExp(`login_invalid: the login of ann .*${told}`))
    }
    await page.evaluate(async () => {
      const newer = indexedDB.open('orthrus', 9)
      await new Promise(resolve => {
        newer.onsuccess = resolve
      })
      newer.result.close()
    })
    const told = /login_invalid: the browser's storage cannot be used: VersionError .*keepLogin: 'tabs'/
    expect(await goOn(page, world)).toMatch(told)
    // Before the password is worked on.
    await expect(logIn(page, world, 'storage')).rejects.toThrow(told)
  })
})

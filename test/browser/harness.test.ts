import { describe, expect, it } from 'vitest'
import { hasChromium, openContext, openPage, serveFiles } from '../support/chromium.js'

describe.skipIf(!hasChromium)('a page in Chromium', () => {
  it('runs what its origin serves, and tells what went wrong in it', async () => {
    const files = {
      '/': '<!doctype html><body><script src="/page.js"></script>',
      '/page.js': 'document.title = "ran"; document.body.innerHTML = "<i style=color:red>x</i>"; null.x',
    }
    const origin = await serveFiles(files, { 'content-security-policy': "default-src 'self'" })
    const { page, problems } = await openPage(origin)
    expect(await page.title()).toBe('ran')
    expect(await page.evaluate(() => globalThis.isSecureContext)).toBe(true)
    await expect
      .poll(() => [...problems].sort())
      .toEqual([expect.stringContaining('inline style'), expect.stringContaining('TypeError')])
  })

  it('has nothing of what another context stored', async () => {
    const origin = await serveFiles({ '/': '<!doctype html>' })
    const [one, other] = [await openContext(), await openContext()]
    const { page } = await openPage(origin, one)
    await page.evaluate(() => localStorage.setItem('key', 'value'))
    const stored = async (context: typeof one): Promise<string | null> =>
      await (await openPage(origin, context)).page.evaluate(() => localStorage.getItem('key'))
    expect([await stored(one), await stored(other)]).toEqual(['value', null])
  })
})

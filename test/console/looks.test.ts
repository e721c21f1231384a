import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { VIEW_NAMES } from '../../console/app/route.js'
import { axeFindings } from '../support/accessible.js'
import { hasChromium } from '../support/chromium.js'
import { ConsolePage } from '../support/console-page.js'
import { type ConsoleRealm, startConsoleRealm } from '../support/console-realm.js'
import { furnishRealm } from '../support/furnished-realm.js'

/** How every view looks and reads: pictures of them in `screenshots/`, by the slow set, and what axe finds wrong for keyboards and readers. */

// axe reads every element several times, on a machine that may be busy with other tests.
const PATIENCE = 90_000
const slow = process.env.ORTHRUS_SLOW === '1'
const PASSWORD = 'correct horse battery'
const FOLDER = 'screenshots'

const LOOKS = [
  { width: 1280, scheme: 'dark' },
  { width: 375, scheme: 'light' },
  ...(slow
    ? ([
        { width: 1280, scheme: 'light' },
        { width: 375, scheme: 'dark' },
      ] as const)
    : []),
] as const

describe.skipIf(!hasChromium)('the console', () => {
  let realm: ConsoleRealm
  beforeAll(async () => {
    await mkdir(FOLDER, { recursive: true })
    realm = await startConsoleRealm()
    await realm.person('ann', PASSWORD)
    await realm.makeAdministrator('ann')
    await furnishRealm(realm)
  })
  afterAll(() => realm.close())

  it.each(LOOKS)(
    'is legible and within reach at $width pixels, $scheme',
    async ({ width, scheme }) => {
      const console = await ConsolePage.open(realm.url, { width, colorScheme: scheme })
      const { page } = console
      const found: Record<string, readonly string[]> = {}
      const look = async (name: string): Promise<void> => {
        if (slow) await page.screenshot({ path: join(FOLDER, `${name}-${scheme}-${width}.png`) })
        const findings = await axeFindings(page)
        // Nothing but what is in the page itself goes sideways.
        const isWide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)
        if (isWide) findings.push('wider than the window')
        if (findings.length > 0) found[name] = findings
      }
      await page.getByLabel('Name').waitFor()
      await look('login')
      await console.logIn('ann', PASSWORD)
      for (const view of VIEW_NAMES) {
        await console.goTo(view)
        await page.getByRole('heading', { level: 1 }).waitFor()
        await expect.poll(async () => /Reading…/.exec(await console.text())?.input).toBe(undefined)
        await look(view)
      }
      await console.goTo('principals/orders%40demo.example')
      await page.getByRole('button', { name: 'Disable…' }).click()
      await page.getByRole('dialog').waitFor()
      await look('disable')
      expect(found).toEqual({})
    },
    PATIENCE,
  )

  it('is worked by keyboard: a skip link, focus in the view that was chosen, and out of dialogs again', async () => {
    const { page, ...console } = await open()
    await console.logIn()
    await page.keyboard.press('Tab')
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Skip to map')
    await page.keyboard.press('Enter')
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Map')
    const link = page.getByRole('link', { name: 'Principals' })
    await link.focus()
    await page.keyboard.press('Enter')
    await expect.poll(() => page.evaluate(() => document.activeElement?.textContent)).toBe('Principals')
    const grid = page.getByRole('grid').first()
    await grid.getByRole('row').first().focus()
    await page.keyboard.press('End')
    const last = await grid.getAttribute('aria-rowcount')
    await expect
      .poll(() => page.evaluate(() => document.activeElement?.getAttribute('aria-rowindex')))
      .toBe(last)
    await page.keyboard.press('Home')
    await expect
      .poll(() => page.evaluate(() => document.activeElement?.getAttribute('aria-rowindex')))
      .toBe('1')
  })

  async function open() {
    const { page, ...rest } = await ConsolePage.open(realm.url)
    return { page, ...rest, logIn: () => logInAt(page) }
  }

  async function logInAt(page: ConsolePage['page']): Promise<void> {
    await page.getByLabel('Name').fill('ann')
    await page.getByLabel('Password').fill(PASSWORD)
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.getByRole('navigation', { name: 'Views' }).waitFor()
  }
})

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { endAtLast, root } from '../end-to-end/processes.js'
import { axeFindings } from '../support/accessible.js'
import { hasChromium, openContext, openPage } from '../support/chromium.js'

/** The page of examples/page, as `npm run demo:page` serves it: under its own policy, with a KDC and a service in processes. */

interface Demo {
  readonly url: string
  readonly password: string
  stop(): Promise<unknown>
}

async function startDemo(): Promise<Demo> {
  const child = endAtLast(spawn(process.execPath, ['dist/examples/demo/page.js'], { cwd: root }))
  let [out, err] = ['', '']
  child.stdout.on('data', chunk => (out += String(chunk)))
  child.stderr.on('data', chunk => (err += String(chunk)))
  const ended = once(child, 'exit')
  await expect.poll(() => out, { timeout: 60_000 }).toMatch(/Ctrl-C ends it all/)
  const [, url = '', password = ''] = /page is at (\S+)\n +name +ann\n +password +(\S+)/.exec(out) ?? []
  const stop = async (): Promise<unknown> => {
    child.kill('SIGTERM')
    return [...(await ended), err]
  }
  return { url, password, stop }
}

describe.skipIf(!hasChromium)('the example of a page', { timeout: 120_000 }, () => {
  it('logs in, orders, hears of orders in two pages, shows what was proved, and logs out of both', async () => {
    const { url, password, stop } = await startDemo()
    // What is no path ends nothing.
    for (const odd of ['/', '/..', '?%', '/x.html'])
      expect((await fetch(`${url}${odd}`)).status).toBeLessThan(500)
    const context = await openContext({ viewport: { width: 375, height: 800 }, colorScheme: 'dark' })
    const { page, problems } = await openPage(url, context)
    const look = async (name: string): Promise<string[]> => {
      await page.screenshot({ path: join('screenshots', `page-${name}.png`), fullPage: true })
      const isWide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)
      return [...(await axeFindings(page)), ...(isWide ? ['wider than the window'] : [])]
    }
    await mkdir('screenshots', { recursive: true })
    const logIn = async (typed: string): Promise<void> => {
      await page.getByLabel('Name').fill('ann')
      await page.getByLabel('Password', { exact: true }).fill(typed)
      await page.keyboard.press('Enter')
      await page.getByRole('progressbar').waitFor()
    }
    await logIn('wrong horse')
    await page.getByText('That name or password is wrong.').waitFor()
    expect(await look('login')).toEqual([])
    await logIn(password)
    await page.getByText('live', { exact: true }).waitFor()
    const second = await openPage(url, context)
    await second.page.getByText('live', { exact: true }).waitFor()
    // The focus is where one goes on.
    await page.keyboard.type('<b>two bones</b>')
    await page.keyboard.press('Enter')
    for (const each of [page, second.page]) {
      const lines = each.locator('#orders li')
      await expect
        .poll(() => lines.allTextContents())
        .toEqual(['a book about dogsthe shop', '<b>two bones</b>ann@demo.example'])
    }
    const proved = (await page.locator('#proved li span').allTextContents()).join('\n')
    for (const told of [
      /^POST \/orders: you proved the request, and orders@demo\.example its answer, 201\.$/m,
      /^The channel \/live: you and orders@demo\.example prove each message to each other\.$/m,
      /^A ticket for orders@demo\.example until .*: the KDC proved .* and you that you are ann@demo\.example\.$/m,
      /^You are ann@demo\.example\.$/m,
    ]) {
      expect(proved).toMatch(told)
    }
    await page.emulateMedia({ colorScheme: 'light' })
    expect(await look('light')).toEqual([])
    await page.emulateMedia({ colorScheme: 'dark' })
    expect(await look('dark')).toEqual([])
    await second.page.getByRole('button', { name: 'Log out' }).click()
    for (const each of [page, second.page]) {
      await each.getByLabel('Name').waitFor()
      expect(await each.locator('body').innerText()).not.toContain('ann@')
    }
    expect(second.problems).toEqual([])
    expect(problems).toEqual([expect.stringContaining('the login was refused')])
    expect(await stop()).toEqual([0, null, ''])
  })
})

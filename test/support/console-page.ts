import type { BrowserContext, Page } from 'playwright-core'
import { expect, onTestFinished } from 'vitest'
import { openPage, openUsualPage } from './chromium.js'

/** The console in a browser, as a person has it before them. */
export class ConsolePage {
  readonly page: Page
  readonly problems: readonly string[]

  private constructor(page: Page, problems: readonly string[]) {
    this.page = page
    this.problems = problems
  }

  /** Opens it. Whatever its policy refuses, or nobody caught, fails the test when it ends. */
  static async open(
    url: string,
    options: { width?: number; colorScheme?: 'dark' | 'light'; context?: BrowserContext } = {},
  ): Promise<ConsolePage> {
    const { width = 1280, colorScheme = null, context } = options
    const viewport = { width, height: 800 }
    const { page, problems } =
      context === undefined
        ? await openUsualPage(url, { viewport, colorScheme })
        : await openPage(url, context)
    // Below the time of a test, so that what was waited for is named.
    page.setDefaultTimeout(15_000)
    const opened = new ConsolePage(page, problems)
    // What a broken connection leaves in the console of the browser is no fault of the page.
    onTestFinished(() => expect(problems.filter(each => !/WebSocket connection|ERR_/.test(each))).toEqual([]))
    return opened
  }

  /** Sends the form, without waiting for what comes of it. */
  async tryLogin(name: string, password: string): Promise<void> {
    await this.page.getByLabel('Name').fill(name)
    await this.page.getByLabel('Password').fill(password)
    await this.page.getByRole('button', { name: 'Log in' }).click()
  }

  async logIn(name: string, password: string): Promise<void> {
    await this.tryLogin(name, password)
    await this.page.getByRole('navigation', { name: 'Views' }).waitFor()
  }

  /** Goes to a view by its place in the page, such as `principals/web`. */
  async goTo(place: string): Promise<void> {
    await this.page.evaluate(hash => {
      location.hash = hash
    }, `#/${place}`)
  }

  /** Everything that is written on it. */
  text(): Promise<string> {
    return this.page.locator('body').innerText()
  }
}

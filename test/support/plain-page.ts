import type { CDPSession } from 'playwright-core'
import { onTestFinished } from 'vitest'
import { theBrowser } from './chromium.js'

/**
 * A page that Playwright does not keep in the foreground, as it does with its own: the browser can freeze it. All of them are
 * of one person's browser.
 */
export class PlainPage {
  readonly #browser: CDPSession
  readonly #sessionId: string
  #asked = 0

  private constructor(browser: CDPSession, sessionId: string) {
    this.#browser = browser
    this.#sessionId = sessionId
  }

  /** @param first runs before any script of the page */
  static async open(url: string, first: () => void): Promise<PlainPage> {
    const browser = await (await theBrowser()).newBrowserCDPSession()
    const { targetId } = await browser.send('Target.createTarget', { url: 'about:blank' })
    onTestFinished(async () => {
      await browser.send('Target.closeTarget', { targetId })
      await browser.detach()
    })
    const { sessionId } = await browser.send('Target.attachToTarget', { targetId, flatten: false })
    const page = new PlainPage(browser, sessionId)
    await page.send('Page.enable', {})
    await page.send('Page.addScriptToEvaluateOnNewDocument', { source: `(${first})()` })
    await page.send('Page.navigate', { url })
    await page.evaluate(
      () =>
        new Promise<void>(resolve => {
          if (document.readyState === 'complete') resolve()
          else addEventListener('load', () => resolve())
        }),
    )
    return page
  }

  /** Calls a function in the page, which knows nothing but what it is given. @returns what it returns, once that is there */
  async evaluate<Given, Result>(run: (given: Given) => Result, given?: Given): Promise<Awaited<Result>> {
    const expression = `(${run})(${JSON.stringify(given)})`
    const asked = { expression, awaitPromise: true, returnByValue: true }
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', asked)
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails))
    return (result as { readonly value: Awaited<Result> }).value
  }

  /** A command of the DevTools protocol. @returns its result */
  async send(method: string, params: object): Promise<Record<string, unknown>> {
    this.#asked += 1
    const id = this.#asked
    const answered = this.#answerTo(id)
    const message = JSON.stringify({ id, method, params })
    await this.#browser.send('Target.sendMessageToTarget', { sessionId: this.#sessionId, message })
    const { result, error } = await answered
    if (error !== undefined) throw new Error(`${method}: ${JSON.stringify(error)}`)
    return result ?? {}
  }

  #answerTo(wanted: number): Promise<Answer> {
    return new Promise(resolve => {
      const hear = ({
        sessionId,
        message,
      }: {
        readonly sessionId: string
        readonly message: string
      }): void => {
        const answer = JSON.parse(message) as Answer
        if (sessionId !== this.#sessionId || answer.id !== wanted) return
        this.#browser.off('Target.receivedMessageFromTarget', hear)
        resolve(answer)
      }
      this.#browser.on('Target.receivedMessageFromTarget', hear)
    })
  }
}

interface Answer {
  readonly id?: number
  readonly result?: Record<string, unknown>
  readonly error?: unknown
}

import { execFileSync } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser, BrowserContext, BrowserContextOptions, Page, ViewportSize } from 'playwright-core'
import { onTestFinished } from 'vitest'

/** A real Chromium without a window, started by the first test that wants it, one for all tests of a process. */

/** ORTHRUS_CHROMIUM names another program than Debian's. */
const PROGRAM = process.env.ORTHRUS_CHROMIUM ?? '/usr/bin/chromium'

/** False, after a word about it, where it is not installed: `describe.skipIf(!hasChromium)`. */
export const hasChromium = isThere()
if (!hasChromium) console.warn('chromium is not installed: the tests in a browser are skipped')

function isThere(): boolean {
  try {
    execFileSync(PROGRAM, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** It asks nobody on the network for anything. */
const ARGS = [
  '--disable-gpu',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
]

/** What Playwright leaves out otherwise: pages that one leaves are kept for the way back. */
const WITH = ['--disable-back-forward-cache']

let starting: Promise<Browser> | undefined

/** It ends with the process of the tests, by whichever way that ends. */
export async function theBrowser(): Promise<Browser> {
  starting ??= start()
  return await starting
}

async function start(): Promise<Browser> {
  const { chromium } = await import('playwright-core')
  // Its sandbox does not work for root, and it sees pages of these tests alone.
  const options = { executablePath: PROGRAM, args: ARGS, ignoreDefaultArgs: WITH, chromiumSandbox: false }
  return await chromium.launch(options)
}

/** One person's browser: what its pages store is shared by them and by no other. Closed with the test. */
export async function openContext(options: BrowserContextOptions = {}): Promise<BrowserContext> {
  const browser = await theBrowser()
  const context = await browser.newContext({ serviceWorkers: 'block', ...options })
  onTestFinished(() => context.close())
  return context
}

export interface OpenedPage {
  readonly page: Page
  /** What went wrong in it by itself: errors that nobody caught, refusals of its CSP, files that did not load. */
  readonly problems: readonly string[]
}

/** Opens a page in a context, or in one of its own, and waits until it has loaded. */
export async function openPage(url: string, context?: BrowserContext): Promise<OpenedPage> {
  return await load(await (context ?? (await openContext())).newPage(), url)
}

let usual: Page | undefined

/**
 * The same in the page that the test before had, if it had this one, emptied: a new page and its process take most of a
 * second of processor time. For tests that ask nothing of the browser but to be one.
 */
export async function openUsualPage(
  url: string,
  { viewport, colorScheme }: { viewport: ViewportSize; colorScheme: 'dark' | 'light' | null },
): Promise<OpenedPage> {
  const taken = usual
  // Another one for who opens two in one test.
  usual = undefined
  const page = taken ?? (await newPage())
  onTestFinished(() => giveBack(page))
  await page.setViewportSize(viewport)
  await page.emulateMedia({ colorScheme })
  return await load(page, url)
}

async function newPage(): Promise<Page> {
  const browser = await theBrowser()
  return await (await browser.newContext({ serviceWorkers: 'block' })).newPage()
}

async function giveBack(page: Page): Promise<void> {
  page.removeAllListeners()
  try {
    await page.evaluate(() => {
      localStorage.clear()
      sessionStorage.clear()
    })
    await page.goto('about:blank')
    await page.context().clearPermissions()
    if (usual === undefined) usual = page
    else await page.context().close()
  } catch {
    // A page that came to harm is given to nobody.
    await page.context().close()
  }
}

async function load(page: Page, url: string): Promise<OpenedPage> {
  const problems: string[] = []
  page.on('pageerror', error => void problems.push(String(error)))
  page.on('console', message => {
    if (message.type() === 'error') problems.push(message.text())
  })
  await page.goto(url)
  return { page, problems }
}

/** What one origin serves, by path, such as `/` and `/page.js`. The end of the path says what it is. */
export type Served = Readonly<Record<string, string | Uint8Array>>

const TYPES: readonly (readonly [end: string, type: string])[] = [
  ['.js', 'text/javascript'],
  ['.css', 'text/css'],
  ['.svg', 'image/svg+xml'],
  ['', 'text/html; charset=utf-8'],
]

/** Serves files on an origin of their own until the test ends. @returns the origin */
export async function serveFiles(
  files: Served,
  headers: Readonly<Record<string, string>> = {},
): Promise<string> {
  const server = createServer((req, res) => {
    const path = new URL(req.url ?? '/', 'http://page.example').pathname
    const body = files[path]
    const [, type = ''] = TYPES.find(([end]) => path.endsWith(end)) ?? []
    if (body === undefined) res.writeHead(path === '/favicon.ico' ? 204 : 404).end()
    else res.writeHead(200, { 'content-type': type, ...headers }).end(body)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  // A page of `localhost` is as trusted as one of HTTPS, and so has `crypto.subtle`.
  return `http://localhost:${(server.address() as AddressInfo).port}`
}

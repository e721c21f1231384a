import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { BrowserContext, Page } from 'playwright-core'
import { rolldown } from 'rolldown'
import { onTestFinished } from 'vitest'
import type { connect, OrthrusError, Realm } from '../../client/index.js'
import {
  acceptChannels,
  type RequireTicketOptions,
  requireTicket,
  type Service,
} from '../../service/index.js'
import { createTestClock, startRealm, type TestRealm } from '../../testing/index.js'
import { root, temporaryFolder } from '../end-to-end/processes.js'
import { openPage, type Served, serveFiles } from '../support/chromium.js'

/** A page as a user makes it: of the built package, by a bundler, under a strict CSP. */

/** What the page's own script offers to the tests. */
declare global {
  var orthrus: { readonly connect: typeof connect; readonly OrthrusError: typeof OrthrusError }
  /** What one step of a test leaves for the next. */
  var realm: Realm
}

const PROGRAM = `
import { connect, OrthrusError } from 'orthrus/client'
globalThis.orthrus = { connect, OrthrusError }
`

export interface BundledFile {
  readonly path: string
  readonly code: string
  /** Whether the page loads it before it runs. */
  readonly atOnce: boolean
}

/** The files of a bundled page. @param program its script. @param isOneFile nothing is loaded later */
export async function bundled(program: string, isOneFile = false): Promise<BundledFile[]> {
  const { folder, remove } = await temporaryFolder()
  await mkdir(join(folder, 'node_modules'))
  await symlink(root, join(folder, 'node_modules/orthrus'))
  await writeFile(join(folder, 'page.mjs'), program)
  const warnings: string[] = []
  const bundle = await rolldown({
    input: join(folder, 'page.mjs'),
    cwd: folder,
    platform: 'browser',
    onLog: (level, { message }) => void (level === 'warn' && warnings.push(message)),
  })
  const { output } = await bundle.generate({
    format: 'esm',
    minify: true,
    comments: false,
    codeSplitting: !isOneFile,
  })
  await bundle.close()
  await remove()
  if (warnings.length > 0) throw new Error(warnings.join('\n'))
  const chunks = new Map(output.flatMap(each => (each.type === 'chunk' ? [[each.fileName, each]] : [])))
  const atOnce = new Set(
    [...chunks.values()].filter(({ isEntry }) => isEntry).map(({ fileName }) => fileName),
  )
  for (const name of atOnce) for (const target of chunks.get(name)?.imports ?? []) atOnce.add(target)
  return [...chunks.values()].map(({ fileName, code }) => ({
    path: `/${fileName}`,
    code,
    atOnce: atOnce.has(fileName),
  }))
}

/** Bytes as a server sends them. */
export function compressedSize(files: readonly BundledFile[]): number {
  return files.reduce((sum, { code }) => sum + gzipSync(code, { level: 9 }).length, 0)
}

let client: Promise<BundledFile[]> | undefined

export async function pageFiles(): Promise<Served> {
  client ??= bundled(PROGRAM)
  const html = '<!doctype html><title>page</title><script type="module" src="/page.js"></script>'
  return {
    '/': html,
    '/other': '<!doctype html><title>other</title>',
    ...Object.fromEntries((await client).map(({ path, code }) => [path, code])),
  }
}

/** What the page loads before it runs. */
export async function pathsAtOnce(): Promise<string[]> {
  client ??= bundled(PROGRAM)
  return (await client).filter(({ atOnce }) => atOnce).map(({ path }) => path)
}

/** Nothing but its own scripts, no text that becomes a script, and connections as the page needs them. */
export const STRICT_CSP =
  "default-src 'none'; script-src 'self'; connect-src http: ws:; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

export interface PageWorld {
  readonly realm: TestRealm
  /** Of the pages that the KDC and the service let in. */
  readonly origin: string
  readonly service: Service
  /** Of the service `orders`, which is another one. */
  readonly orders: string
  /** Opens the page. */
  open(context?: BrowserContext): Promise<{ page: Page; problems: readonly string[] }>
}

/** What is served in place of the page. */
export interface Site {
  readonly files?: Served
  readonly csp?: string
}

/** A realm, the service `orders` on one origin, and a page on another. */
export async function startPageWorld(
  options: Partial<RequireTicketOptions> = {},
  { files, csp = STRICT_CSP }: Site = {},
): Promise<PageWorld> {
  const origin = await serveFiles(files ?? (await pageFiles()), { 'content-security-policy': csp })
  const realm = await startRealm({ clock: createTestClock(Date.now()), allowedOrigins: [origin] })
  onTestFinished(() => realm.close())
  inRealTime(realm)
  await realm.add('web', 'orders')
  await realm.allow('web', 'orders')
  const service = await realm.loadService('orders')
  const listener = requireTicket(
    { service, cors: { origins: [origin] }, ...options },
    async (req, res, ticket) => {
      const pieces: Buffer[] = []
      for await (const piece of req) pieces.push(piece as Buffer)
      res.end(`${ticket.client} ${req.method} ${Buffer.concat(pieces)}`.trim())
    },
  )
  const server = createServer(listener)
  const allowedOrigins = [origin]
  acceptChannels({ service, server, path: '/echo', allowedOrigins }, async channel => {
    for await (const message of channel) await channel.send(message)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const orders = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { realm, origin, service, orders, open: context => openPage(origin, context) }
}

export const PASSWORD = 'correct horse battery'

/** A realm with a person who has a password, and may use `orders`. */
export async function startWithAnn(
  options: Partial<RequireTicketOptions> = {},
  site: Site = {},
): Promise<PageWorld> {
  const world = await startPageWorld(options, site)
  await world.realm.addPassword('ann', PASSWORD)
  await world.realm.allow('ann', 'orders')
  return world
}

/** A page has the machine's time, so that of the realm goes on with it. */
function inRealTime({ clock }: TestRealm): void {
  let last = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    clock.advance(now - last)
    last = now
  }, 10)
  onTestFinished(() => clearInterval(timer))
}

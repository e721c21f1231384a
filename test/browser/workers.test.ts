import { beforeAll, describe, expect, it } from 'vitest'
import { hasChromium, openContext, type Served } from '../support/chromium.js'
import { bundled, PASSWORD, type PageWorld, pageFiles, STRICT_CSP, startWithAnn } from './page.js'

/** The client where there is no page: in a web worker and in a service worker, which have no `window` and no `document`. */

/** What both do when they are asked: a password, a login that is kept, calls and a channel. Each answer goes to a port. */
const PROGRAM = `
import { connect } from 'orthrus/client'

let ended = 'not yet'
async function run({ kdc, principal, password, keepLogin, orders }) {
  if (orders === undefined) return ended
  let done = 0
  const onProgress = part => { done = part }
  const onLogout = () => { ended = 'logged out' }
  const given = { kdc, principal, password, keepLogin, onProgress, onLogout, services: { [orders]: 'orders' } }
  const realm = await connect(given)
  const plain = await (await realm.fetch(orders)).text()
  const sealed = await (await realm.fetch(orders, { method: 'POST', body: 'é', sealed: true })).text()
  const channel = await realm.openChannel(orders.replace('http', 'ws') + '/echo')
  await channel.send('through the channel')
  const echoed = new TextDecoder().decode(await channel.receive())
  await channel.end()
  return [typeof document, done, plain, sealed, echoed]
}

addEventListener('message', event => {
  const answered = run(event.data).catch(error => error.message).then(answer => event.ports[0].postMessage(answer))
  event.waitUntil?.(answered)
})
`

/** Trusted Types take the address of a worker from a policy alone. */
const CSP = STRICT_CSP.replace("trusted-types 'none'", 'trusted-types workers')

const DID = ['undefined', 1, 'ann@test.example GET', 'ann@test.example POST é', 'through the channel']

type Kind = 'worker' | 'service-worker' | 'split-service-worker'

declare global {
  var ask: (given: object) => Promise<unknown>
}

describe.skipIf(!hasChromium)('the client', { timeout: 120_000 }, () => {
  let site: Served
  beforeAll(async () => {
    const [split, whole] = await Promise.all([bundled(PROGRAM), bundled(PROGRAM, true)])
    const under = (folder: string, files: typeof split) =>
      files.map(({ path, code }) => [folder + path, code])
    const workers = [
      ...under('/worker', split),
      ...under('/split-service-worker', split),
      ...under('/service-worker', whole),
    ]
    site = { ...(await pageFiles()), ...Object.fromEntries(workers) }
  })

  /** A page that has started a worker, which `ask` asks. */
  async function start(kind: Kind) {
    const world = await startWithAnn({}, { files: site, csp: CSP })
    const { page, problems } = await world.open(await openContext({ serviceWorkers: 'allow' }))
    await page.evaluate(async kind => {
      const { trustedTypes } = globalThis as unknown as { trustedTypes: { createPolicy: CreatePolicy } }
      type CreatePolicy = (name: string, rules: object) => { createScriptURL(url: string): string }
      const policy = trustedTypes.createPolicy('workers', { createScriptURL: (url: string) => url })
      const url = policy.createScriptURL(`/${kind}/page.js`)
      let target: Worker | ServiceWorker | null
      if (kind === 'worker') target = new Worker(url, { type: 'module' })
      else {
        const registration = await navigator.serviceWorker.register(url, { type: 'module' })
        target = registration.installing ?? registration.active
        while (target?.state !== 'activated')
          await new Promise(resolve => target?.addEventListener('statechange', resolve, { once: true }))
      }
      globalThis.ask = given =>
        new Promise(resolve => {
          const { port1, port2 } = new MessageChannel()
          port1.onmessage = ({ data }) => resolve(data)
          target?.postMessage(given, [port2])
        })
    }, kind)
    const ask = (keepLogin?: 'tabs' | 'storage') =>
      page.evaluate(given => globalThis.ask(given), { ...askedOf(world), keepLogin })
    return { world, page, problems, ask }
  }

  it('in a web worker does all that it does in a page, and shares its login with pages', async () => {
    const { world, page, problems, ask } = await start('worker')
    expect(await ask('tabs')).toEqual(DID)
    const called = page.evaluate(async orders => {
      globalThis.realm = await orthrus.connect({ login: true })
      return await (await globalThis.realm.fetch(orders, { service: 'orders' })).text()
    }, world.orders)
    expect(await called).toBe('ann@test.example GET')
    await page.evaluate(() => globalThis.realm.logout())
    await expect.poll(() => page.evaluate(() => globalThis.ask({}))).toBe('logged out')
    expect(problems).toEqual([])
  })

  it('in a service worker does the same from one file, and what it stores is found by pages', async () => {
    const { page, problems, ask } = await start('service-worker')
    expect(await ask('storage')).toEqual(DID)
    const found = page.evaluate(async () => (await orthrus.connect({ login: true })).client)
    expect(await found).toBe('ann@test.example')
    expect(problems).toEqual([])
  })

  it('in a service worker of several files cannot load the later ones, which the browser says', async () => {
    const { ask } = await start('split-service-worker')
    expect(await ask('tabs')).toMatch(/import\(\) is disallowed on ServiceWorkerGlobalScope/)
  })
})

function askedOf({ realm, orders }: PageWorld) {
  return { kdc: realm.kdc.url, principal: 'ann@test.example', password: PASSWORD, orders }
}

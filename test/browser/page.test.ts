import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import { hasChromium, openContext, openPage, serveFiles } from '../support/chromium.js'
import { TcpProxy } from '../support/tcp-proxy.js'
import { bundled, compressedSize, pathsAtOnce, startPageWorld } from './page.js'

/** The client in a page of a real browser, which the KDC and the service are other origins to. */

const HOUR = 3_600_000

it('has few bytes to load for a login, tickets and fetch, and nothing of Node', async () => {
  const files = await bundled("import { connect } from 'orthrus/client'; globalThis.connect = connect")
  const first = compressedSize(files.filter(({ atOnce }) => atOnce))
  console.log(`a page loads ${first} bytes, and later, if it needs them, ${compressedSize(files) - first}`)
  expect(first).toBeLessThan(45_000)
  const ofNode = files.filter(({ code }) => /["'`]node:|\brequire\(|\bBuffer\.|\bprocess\./.test(code))
  expect(ofNode.map(({ path }) => path)).toEqual([])
})

describe.skipIf(!hasChromium)('a page in Chromium', { timeout: 120_000 }, () => {
  it('calls a service on another origin: plainly, with sealed bodies, and by a channel', async () => {
    const { realm, orders, open } = await startPageWorld()
    const { page, problems } = await open()
    const seen = await page.evaluate(
      async ({ kdc, text, orders }) => {
        const realm = await orthrus.connect({ kdc, keytab: { text }, services: { [orders]: 'orders' } })
        const ticket = await realm.getServiceTicket('orders')
        const plain = await realm.fetch(`${orders}/1`, { method: 'POST', body: 'é'.repeat(1000) })
        const body = 'b'.repeat(100_000)
        const sealed = await realm.fetch(`${orders}/2`, { method: 'POST', body, sealed: true })
        const lengths = [(await plain.text()).length, (await sealed.text()).length]
        const channel = await realm.openChannel(`${orders.replace('http', 'ws')}/echo`)
        await channel.send('through the channel')
        const { value } = await channel[Symbol.asyncIterator]().next()
        await channel.end()
        realm.close()
        const message = typeof value === 'string' ? value : new TextDecoder().decode(value)
        return [ticket.service, ...lengths, message]
      },
      { kdc: realm.kdc.url, text: realm.keytab('web'), orders },
    )
    const said = 'web@test.example POST '.length
    expect(seen).toEqual(['orders@test.example', said + 1000, said + 100_000, 'through the channel'])
    expect(problems).toEqual([])
  })

  it('makes a key of a password without standing still, says how far it is, and stores nothing', async () => {
    const { realm, orders, open } = await startPageWorld()
    await realm.addPassword('ann', 'correct horse battery')
    await realm.allow('ann', 'orders')
    const { page, problems } = await open()
    const seen = await page.evaluate(
      async ({ kdc, orders }) => {
        const [told, pauses]: [number[], number[]] = [[], []]
        let last = performance.now()
        const timer = setInterval(() => {
          pauses.push(performance.now() - last)
          last = performance.now()
        }, 1)
        const [principal, password] = ['ann@test.example', 'correct horse battery']
        const onProgress = (done: number): unknown => told.push(done)
        const realm = await orthrus.connect({ kdc, principal, password, onProgress })
        const started = performance.now()
        const response = await realm.fetch(orders, { service: 'orders' })
        const took = performance.now() - started
        clearInterval(timer)
        const stored = [localStorage.length, sessionStorage.length, (await indexedDB.databases()).length]
        const paths = performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname)
        const loaded = paths.filter(path => path.endsWith('.js'))
        return { said: await response.text(), told, longest: Math.max(...pauses), took, stored, loaded }
      },
      { kdc: realm.kdc.url, orders },
    )
    console.log(
      `scrypt and a call: ${Math.round(seen.took)} ms, the longest pause ${Math.round(seen.longest)} ms`,
    )
    expect(seen.said).toBe('ann@test.example GET')
    expect(seen.told).toEqual(Array.from({ length: 100 }, (_, i) => (i + 1) / 100))
    // A page that stands still does so for all of it.
    expect(seen.longest).toBeLessThan(seen.took / 2)
    expect(seen.stored).toEqual([0, 0, 0])
    // What the size above counts is all that it loads.
    expect(seen.loaded.sort()).toEqual((await pathsAtOnce()).sort())
    expect(problems).toEqual([])
  })

  it('calls after a sleep of hours, in which its timers stood still and its connection died', async () => {
    const { realm, orders, open } = await startPageWorld()
    const kdc = await TcpProxy.start(Number(new URL(realm.kdc.url).port))
    const { page } = await open()
    await page.clock.install()
    await page.evaluate(
      async ({ kdc, text, orders }) => {
        globalThis.realm = await orthrus.connect({ kdc, keytab: { text }, services: { [orders]: 'orders' } })
        await globalThis.realm.fetch(orders)
      },
      { kdc: `ws://127.0.0.1:${kdc.port}`, text: realm.keytab('web'), orders },
    )
    // As a machine that is closed: whatever comes is lost, no timer fires, and then both clocks have jumped.
    kdc.mode = 'lose'
    realm.clock.advance(9 * HOUR)
    await page.clock.fastForward(9 * HOUR)
    kdc.breakUp()
    kdc.mode = 'pass'
    expect(await page.evaluate(async orders => (await globalThis.realm.fetch(orders)).text(), orders)).toBe(
      'web@test.example GET',
    )
  })

  it('says with an error what to do next, and where that is to be found if its file cannot be loaded', async () => {
    const world = await startPageWorld()
    await world.realm.add('ann')
    const denied = (page: Page): Promise<unknown> =>
      page.evaluate(
        async ({ kdc, text }) => {
          const realm = await orthrus.connect({ kdc, keytab: { text } })
          const told = await realm.getServiceTicket('orders').catch(error => (error as Error).message)
          realm.close()
          return told
        },
        { kdc: world.realm.kdc.url, text: world.realm.keytab('ann') },
      )
    const { page } = await world.open()
    expect(await denied(page)).toMatch(
      /^policy_denied: .*; if none does, run: orthrus admin allow ann orders/,
    )
    const { page: cut } = await world.open()
    await cut.route(/hints/, route => route.abort())
    expect(await denied(cut)).toBe(
      `policy_denied: the KDC at ${world.realm.kdc.url} gives ann@test.example no ticket for orders@test.example (what to do next is in a file of this page that could not be loaded: see "Errors" in docs/browsers.md of orthrus)`,
    )
  })

  it('says what CORS lacks, and what its own CSP forbids', async () => {
    const { realm, orders, origin, open } = await startPageWorld({
      cors: { origins: ['https://other.example'] },
    })
    const { page } = await open()
    const failed = await page.evaluate(
      async ({ kdc, text, orders }) => {
        const realm = await orthrus.connect({ kdc, keytab: { text }, services: { [orders]: 'orders' } })
        const told = await realm.fetch(orders).catch(error => (error as Error).message)
        realm.close()
        return told
      },
      { kdc: realm.kdc.url, text: realm.keytab('web'), orders },
    )
    expect(failed).toContain(`requireTicket({ cors: { origins: ['${origin}'] } })`)
    // Chromium tells of a connection that the CSP forbids that it failed, and never that it closed.
    const forbidden = await page.evaluate(
      async ({ kdc, text }) => {
        const policy = document.createElement('meta')
        policy.httpEquiv = 'Content-Security-Policy'
        policy.content = "connect-src 'none'"
        document.head.append(policy)
        return await orthrus.connect({ kdc, keytab: { text } }).catch(error => (error as Error).message)
      },
      { kdc: realm.kdc.url, text: realm.keytab('web') },
    )
    expect(forbidden).toContain(`--allow-origin ${origin},`)
    expect(forbidden).toMatch(/code 1006 \(.*connect-src/)
  })
})

describe.skipIf(!hasChromium)('a page of another origin in Chromium', () => {
  it('reaches neither the KDC nor a channel, and reads no answer of the service', async () => {
    const { realm, orders, origin, open } = await startPageWorld()
    const evil = await serveFiles({ '/': '<!doctype html><title>evil</title>' })
    expect(evil).not.toBe(origin)
    const context = await openContext()
    await open(context)
    const { page } = await openPage(evil, context)
    const seen = await page.evaluate(
      async urls => {
        const opened = (url: string): Promise<string> =>
          new Promise(resolve => {
            const socket = new WebSocket(url, 'orthrus.v1')
            socket.onopen = () => resolve('open')
            socket.onclose = () => resolve('refused')
          })
        const answer = await fetch(urls.orders).then(
          () => 'read',
          () => 'hidden',
        )
        return [await opened(urls.kdc), await opened(urls.channel), answer]
      },
      { kdc: realm.kdc.url, channel: `${orders.replace('http', 'ws')}/echo`, orders },
    )
    expect(seen).toEqual(['refused', 'refused', 'hidden'])
  })
})

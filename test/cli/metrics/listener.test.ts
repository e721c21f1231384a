import { connect } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { isLoopback, metricsAddress } from '../../../cli/metrics/address.js'
import { type MetricsListener, startMetricsListener } from '../../../cli/metrics/listener.js'
import { metricsWriter } from '../../../cli/metrics/registry.js'
import { metricsFor } from '../../../cli/metrics/serve-metrics.js'
import type { RunningKdc } from '../../../kdc/main.js'
import { TestLogger } from '../../support/logger.js'
import { startOwnKdc } from '../../support/own-kdc.js'
import { turns } from '../../support/turns.js'

interface Watched extends MetricsListener {
  readonly port: number
  readonly logger: TestLogger
}

async function watch(
  kdc: Pick<RunningKdc, 'metrics' | 'readiness' | 'canServe'>,
  host = '127.0.0.1',
): Promise<Watched> {
  const logger = new TestLogger()
  const listener = await startMetricsListener({ host, port: 0 }, { kdc, write: metricsWriter('1'), logger })
  onTestFinished(() => listener.close())
  return { ...listener, logger, port: Number(new URL(listener.url).port) }
}

/** What comes back for these very bytes. */
function raw(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect({ host: '127.0.0.1', port }, () => socket.write(bytes))
    socket.on('data', data => {
      text += data.toString('latin1')
    })
    socket.on('close', () => resolve(text))
    socket.on('error', reject)
  })
}

const ask = (port: number, line: string, ...headers: string[]): Promise<string> =>
  raw(
    port,
    `${[`${line} HTTP/1.1`, ...(headers.length > 0 ? headers : ['Host: 127.0.0.1'])].join('\r\n')}\r\n\r\n`,
  )

const statusOf = (text: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1])

describe('the listener for metrics', () => {
  it('shows the numbers of its KDC, and whether it is ready', async () => {
    const { kdc } = await startOwnKdc({ metrics: true })
    const { url } = await watch(kdc)
    const metrics = await fetch(`${url}/metrics`)
    expect(metrics.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(metrics.headers.get('cache-control')).toBe('no-store')
    expect(await metrics.text()).toContain('orthrus_kdc_ready 1\n')
    const health = await fetch(`${url}/healthz`)
    expect([health.status, await health.json()]).toEqual([200, { status: 'ok' }])
    const ready = await fetch(`${url}/readyz?verbose`)
    expect([ready.status, await ready.json()]).toEqual([200, { ready: true, problems: [] }])
    await kdc.close()
    const closed = await fetch(`${url}/healthz`)
    expect([closed.status, await closed.json()]).toEqual([503, { status: 'unavailable' }])
  })

  it('answers 503 with what is wrong', async () => {
    const problems = [{ check: 'disk', reason: 'no room', hint: 'free some space' }] as const
    const { kdc } = await startOwnKdc({ metrics: true })
    const { url } = await watch({ ...kdc, readiness: async () => ({ ready: false, problems }) })
    const answer = await fetch(`${url}/readyz`)
    expect([answer.status, await answer.json()]).toEqual([503, { ready: false, problems }])
  })

  it('takes GET and HEAD, and knows three paths', async () => {
    const { kdc } = await startOwnKdc({ metrics: true })
    const { port } = await watch(kdc)
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH']) {
      const answer = await ask(port, `${method} /metrics`)
      expect([method, statusOf(answer), /^Allow: (.*)\r$/m.exec(answer)?.[1]]).toEqual([
        method,
        405,
        'GET, HEAD',
      ])
    }
    const head = await ask(port, 'HEAD /metrics')
    const [, body] = head.split('\r\n\r\n')
    expect([statusOf(head), body]).toEqual([200, ''])
    for (const path of [
      '/',
      '/metrics/',
      '/..%2f..%2fetc/passwd',
      '/../../etc/passwd',
      '/metrics/../readyz',
      '//metrics',
      '*',
      'http://127.0.0.1/metrics',
    ]) {
      expect([path, statusOf(await ask(port, `GET ${path}`))]).toEqual([path, 404])
    }
  })

  it('closes each connection, and refuses what is too long or no HTTP', async () => {
    const { kdc } = await startOwnKdc({ metrics: true })
    const { port } = await watch(kdc)
    expect(await ask(port, 'GET /healthz')).toMatch(/^Connection: close\r$/m)
    expect(statusOf(await ask(port, 'GET /healthz', 'Host: 127.0.0.1', `X: ${'x'.repeat(9_000)}`))).toBe(431)
    expect(statusOf(await raw(port, 'orthrus?\r\n\r\n'))).toBe(400)
    const twice = await raw(port, 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'.repeat(2))
    expect(twice.match(/HTTP\/1\.1/g)).toHaveLength(1)
  })

  it('takes no page’s name for its own, which the page may have lead to this machine', async () => {
    const { kdc } = await startOwnKdc({ metrics: true })
    const { port } = await watch(kdc)
    const statusWith = async (host: string): Promise<number> =>
      statusOf(await ask(port, 'GET /metrics', host))
    for (const host of [
      'localhost',
      `localhost:${port}`,
      '127.0.0.1',
      `127.0.0.1:${port}`,
      `[::1]:${port}`,
    ]) {
      expect([host, await statusWith(`Host: ${host}`)]).toEqual([host, 200])
    }
    for (const host of ['evil.example', `evil.example:${port}`, '127.0.0.1.evil.example', '10.0.0.1', '']) {
      expect([host, await statusWith(`Host: ${host}`)]).toEqual([host, 403])
    }
    // Where others may read it anyway, they may call it as they like.
    const open = await watch(kdc, '0.0.0.0')
    expect(statusOf(await ask(open.port, 'GET /metrics', 'Host: kdc:9750'))).toBe(200)
  })

  it('makes one answer for all who ask at the same time', async () => {
    const { kdc } = await startOwnKdc({ metrics: true })
    let [now, most] = [0, 0]
    const { url } = await watch({
      ...kdc,
      metrics: async () => {
        now += 1
        most = Math.max(most, now)
        await turns(50)
        now -= 1
        return kdc.metrics()
      },
    })
    const answers = await Promise.all(Array.from({ length: 8 }, () => fetch(`${url}/metrics`)))
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200))
    expect(most).toBe(1)
  })

  it('says nothing of a failure but in the log, and goes on', async () => {
    const { kdc } = await startOwnKdc({ metrics: true })
    let isBroken = true
    const { url, logger } = await watch({
      ...kdc,
      metrics: () => (isBroken ? Promise.reject(new Error('a secret of /etc/shadow')) : kdc.metrics()),
    })
    const broken = await fetch(`${url}/metrics`)
    expect([broken.status, await broken.text()]).toEqual([500, 'the log of the KDC says why\n'])
    expect(logger.lines.map(({ message }) => message)).toEqual(['the metrics could not be answered'])
    isBroken = false
    expect((await fetch(`${url}/metrics`)).status).toBe(200)
  })

  it('says why it cannot listen', async () => {
    const { kdc } = await startOwnKdc({ metrics: true })
    const { port } = await watch(kdc)
    const again = startMetricsListener(
      { host: '127.0.0.1', port },
      { kdc, write: metricsWriter('1'), logger: new TestLogger() },
    )
    await expect(again).rejects.toMatchObject({
      code: 'unavailable',
      reason: `the address 127.0.0.1:${port} is in use already`,
      facts: { hint: expect.stringContaining('--metrics HOST:PORT') },
    })
  })
})

describe('the address for metrics', () => {
  it.each(['127.0.0.1', '127.255.0.9', '::1'])('may be %s, which only this machine reaches', async host => {
    expect(await metricsAddress({ host, port: 9750 }, 8750, false)).toEqual({ host, port: 9750 })
  })

  it.each(['0.0.0.0', '::', '192.0.2.7', '10.0.0.1', '::ffff:10.0.0.1', 'fe80::1'])(
    'is %s only by --metrics-public',
    async host => {
      await expect(metricsAddress({ host, port: 9750 }, 8750, false)).rejects.toMatchObject({
        code: 'unavailable',
        facts: { hint: expect.stringContaining('--metrics-public') },
      })
      expect(await metricsAddress({ host, port: 9750 }, 8750, true)).toEqual({ host, port: 9750 })
    },
  )

  it('is what a name stands for when it is looked up', async () => {
    const { host } = await metricsAddress({ host: 'localhost', port: 0 }, 8750, false)
    expect(isLoopback(host)).toBe(true)
    await expect(metricsAddress({ host: 'nobody.invalid', port: 0 }, 8750, false)).rejects.toMatchObject({
      reason: 'the host nobody.invalid has no address',
    })
  })

  it('is looked at before the KDC starts', async () => {
    const open = { host: '0.0.0.0', port: 0 }
    expect(await metricsFor({}, 8750)).toBeUndefined()
    await expect(metricsFor({ metricsPublic: true }, 8750)).rejects.toThrow(TypeError)
    await expect(metricsFor({ metrics: open }, 8750)).rejects.toMatchObject({ code: 'unavailable' })
    expect(await metricsFor({ metrics: open, metricsPublic: true }, 8750)).toBeTypeOf('function')
  })

  it.each([true, false])('is never the port of the KDC (public: %s)', async isPublic => {
    await expect(metricsAddress({ host: '127.0.0.2', port: 8750 }, 8750, isPublic)).rejects.toMatchObject({
      reason: 'the metrics cannot share port 8750 with the KDC',
    })
    expect(await metricsAddress({ host: '127.0.0.1', port: 0 }, 0, isPublic)).toMatchObject({ port: 0 })
  })
})

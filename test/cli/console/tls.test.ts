import { request } from 'node:https'
import { connect } from 'node:tls'
import { describe, expect, it, onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import { createAuthority, createIdentity } from '../../../bench/first-call/certificate.js'
import { startConsoleListener } from '../../../cli/console/listener.js'
import { SUBPROTOCOL } from '../../../shared/constants.js'
import { DAY } from '../../../shared/time.js'
import { startOwnKdc } from '../../support/own-kdc.js'

/** The console over TLS, with the identity of the KDC beside it. */

const authority = createAuthority()
const ca = authority.identity.certificate
const identity = (name: string) => {
  const { key, certificate } = createIdentity(authority, name, Date.now() + DAY)
  return { key, certificate }
}

async function serve() {
  const { kdc } = await startOwnKdc()
  const files = new Map([
    ['/', { type: 'text/html; charset=utf-8', body: Buffer.from('page'), isLasting: false }],
  ])
  const options = { kdc, files, hosts: ['console.example'], tls: identity('first') }
  const listener = await startConsoleListener({ host: '127.0.0.1', port: 0 }, options)
  onTestFinished(() => listener.close())
  return { kdc, ...listener, port: Number(new URL(listener.url).port) }
}

/** @param host by which it is called. @returns the status, and what the browser is told of TLS */
const asked = (url: string, host: string): Promise<(number | string | undefined)[]> =>
  new Promise((resolve, reject) => {
    const options = { ca, agent: false, headers: { host }, checkServerIdentity: () => undefined }
    const asking = request(url, options, response => {
      response.resume()
      resolve([response.statusCode, response.headers['strict-transport-security']])
    })
    asking.on('error', reject).end()
  })

/** @returns the name in the certificate */
const certificateOf = (port: number): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, ca }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN))
      socket.destroy()
    })
    socket.on('error', reject)
  })

/** @returns what became of the handshake */
const handshake = (port: number, origin: string): Promise<number | 'open'> =>
  new Promise(resolve => {
    const socket = new WebSocket(`wss://127.0.0.1:${port}/kdc`, SUBPROTOCOL, { ca, headers: { origin } })
    socket.on('open', () => {
      resolve('open')
      socket.close()
    })
    socket.on('unexpected-response', (_, response) => resolve(response.statusCode ?? 0))
    socket.on('error', () => resolve(0))
  })

describe('the console over TLS', () => {
  it('sends its page, and hands over WebSockets of its own origin alone', async () => {
    const { url, port, kdc } = await serve()
    expect(url).toBe(`https://127.0.0.1:${port}/`)
    expect(await asked(url, `127.0.0.1:${port}`)).toEqual([200, undefined])
    expect(await handshake(port, `https://127.0.0.1:${port}`)).toBe('open')
    expect(await handshake(port, `http://127.0.0.1:${port}`)).toBe(403)
    await expect.poll(() => kdc.connections).toBe(0)
  })

  it('tells browsers to ask for a name of the console by TLS alone, and for no other one', async () => {
    const { url, port } = await serve()
    expect(await asked(url, `console.example:${port}`)).toEqual([200, 'max-age=2592000'])
    expect(await asked(new URL('nothing', url).href, 'console.example')).toEqual([404, 'max-age=2592000'])
    expect(await asked(url, `localhost:${port}`)).toEqual([200, undefined])
    expect(await asked(url, 'kdc.example')).toEqual([421, undefined])
  })

  it('shows another certificate to whoever comes after it was renewed, and keeps one that works', async () => {
    const { port, renewTls } = await serve()
    expect(await certificateOf(port)).toBe('first')
    renewTls(identity('second'))
    expect(await certificateOf(port)).toBe('second')
    const { key } = identity('third')
    expect(() => renewTls({ ...identity('fourth'), key })).toThrow()
    expect(await certificateOf(port)).toBe('second')
  })
})

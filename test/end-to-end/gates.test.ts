import * as http from 'node:http'
import { getRequestListener } from '@hono/node-server'
import express from 'express'
import Fastify from 'fastify'
import Koa from 'koa'
import { describe, expect, it } from 'vitest'
import * as fastify from '../../service/fastify.js'
import * as fetchHandler from '../../service/fetch-handler.js'
import * as service from '../../service/index.js'
import * as koa from '../../service/koa.js'
import {
  expectProved,
  expectRefused,
  headerOf,
  type RunningRealm,
  startRealm,
  WEB,
} from '../service/realm.js'
import { snippetsOf } from './snippets.js'

/** Every program of docs/gates.md, run as it stands there. */

const MODULES: Readonly<Record<string, object>> = {
  express: { default: express },
  fastify: { default: Fastify },
  koa: { default: Koa },
  'node:http': http,
  'orthrus/service': service,
  'orthrus/koa': koa,
  'orthrus/fastify': fastify,
  'orthrus/fetch-handler': fetchHandler,
}

const programs = new Map(snippetsOf('docs/gates.md').map(({ mark, code }) => [mark, code]))
const tried = new Set<string>()

const IMPORT = /^import (?:(\w+)|\{ ([^}]+) \}) from '([^']+)'$/gm

/** What a program makes, as a listener of a server. */
async function listenerOf(mark: string, own: service.Service): Promise<http.RequestListener> {
  tried.add(mark)
  const code = programs.get(mark) ?? expect.unreachable(`docs/gates.md has no program ${mark}`)
  const body = code.replace(IMPORT, (_, whole, names, from) =>
    whole === undefined
      ? `const { ${names} } = modules['${from}']`
      : `const { default: ${whole} } = modules['${from}']`,
  )
  const run = new Function('modules', 'service', `${body}\nreturn typeof app === 'undefined' ? server : app`)
  const made: unknown = run(MODULES, own)
  if (made instanceof Koa) return made.callback() as http.RequestListener
  if (made instanceof http.Server) return made.listeners('request')[0] as http.RequestListener
  if (isFastify(made)) {
    await made.ready()
    return (req, res) => made.routing(req, res)
  }
  const other: unknown = made
  if (isFetch(other))
    return getRequestListener(other.fetch, { overrideGlobalObjects: false }) as http.RequestListener
  ;(other as express.Express).set('env', 'test')
  return other as http.RequestListener
}

function isFastify(made: unknown): made is ReturnType<typeof Fastify> {
  return typeof (made as { routing?: unknown }).routing === 'function'
}

function isFetch(made: unknown): made is { fetch(request: Request): Promise<Response> } {
  return typeof (made as { fetch?: unknown }).fetch === 'function'
}

const start = (mark: string): Promise<RunningRealm> =>
  startRealm({ listener: realm => listenerOf(mark, realm.service) })

const plain = (headers: readonly (readonly [string, string])[] = []) => ({
  method: 'GET',
  target: '/orders',
  headers,
})

describe('docs/gates.md', () => {
  it('Express', async () => {
    const realm = await start('express')
    const request = realm.sign({ target: '/api/orders/7' })
    const response = await realm.send(request)
    expect(JSON.parse(response.body.toString())).toEqual({ id: '7', for: WEB })
    expectProved(response, request)
    const writing = realm.sign({ method: 'DELETE', target: '/api/orders/7' })
    expectRefused(await realm.send(writing), writing, 'not_authorized', '06')
  })

  it('Koa', async () => {
    const realm = await start('koa')
    const request = realm.sign()
    const response = await realm.send(request)
    expect(JSON.parse(response.body.toString())).toEqual({ for: WEB })
    expectProved(response, request)
  })

  it('headers that nobody may change', async () => {
    const realm = await start('covered')
    const headers = [
      ['idempotency-key', 'k-1'],
      ['orthrus-covered', 'idempotency-key'],
    ] as const
    const request = realm.sign({ method: 'POST', target: '/pay', headers, body: Buffer.from('{"sum":5}') })
    const response = await realm.send(request)
    expect(response.body.toString()).toBe('paid')
    expect(headerOf(response, 'orthrus-covered')).toBe('etag, set-cookie')
    expectProved(response, request)
    const bare = realm.sign({ method: 'POST', target: '/pay' })
    expectRefused(await realm.send(bare), bare, 'binding_mismatch', '06')
  })

  it.each(['on-refused', 'pass-refusals'])('refusals: %s', async mark => {
    const realm = await start(mark)
    const response = await realm.send(plain())
    expect([response.status, JSON.parse(response.body.toString())]).toEqual([401, { error: 'no ticket' }])
    expect(headerOf(response, 'www-authenticate')).toBe('Orthrus realm="demo.example"')
    const request = realm.sign({}, { caveats: [{ name: 'methods', methods: [] }] })
    const refused = await realm.send(request)
    expect([refused.status, JSON.parse(refused.body.toString())]).toEqual([403, { error: 'caveat_failed' }])
  })

  it.each(['or', 'or-fetch', 'or-fastify'])('a ticket or something else: %s', async mark => {
    const realm = await start(mark)
    const byKey = await realm.send(plain([['x-api-key', 'right']]))
    expect([byKey.status, byKey.body.toString()]).toEqual([
      200,
      expect.stringContaining('the holder of the key'),
    ])
    expect((await realm.send(plain())).status).toBe(401)
    const request = realm.sign({ target: '/orders' })
    expectProved(await realm.send(request), request)
    const again = { ...request, headers: [...request.headers, ['x-api-key', 'right'] as const] }
    const refused = await realm.send(again)
    expect(refused.status).toBe(401)
    expect(headerOf(refused, 'www-authenticate')).toContain('error="replay"')
  })

  it('while clients still have to move', async () => {
    const realm = await start('permit')
    expect(JSON.parse((await realm.send(plain())).body.toString())).toEqual({ for: null })
    const request = realm.sign({ target: '/orders' })
    const response = await realm.send(request)
    expect(JSON.parse(response.body.toString())).toEqual({ for: WEB })
    expectProved(response, request)
    expect((await realm.send({ ...plain(), target: '/still-to-move' })).status).toBe(401)
    const asking = realm.sign({ target: '/still-to-move' })
    const { requests, peers } = JSON.parse((await realm.send(asking)).body.toString())
    expect([requests, peers[0].address]).toEqual([2, '127.0.0.1'])
  })

  it('pages of other origins', async () => {
    const realm = await start('cors')
    const headers = [
      ['origin', 'https://app.example'],
      ['access-control-request-method', 'POST'],
    ] as const
    expect((await realm.send({ method: 'OPTIONS', target: '/', headers })).status).toBe(204)
  })

  it('a proxy that takes a prefix away', async () => {
    const realm = await start('path-prefix')
    const request = realm.sign({ target: '/api/orders/7?x=1' })
    const response = await realm.send({ ...request, target: '/orders/7?x=1' })
    expect(response.body.toString()).toBe('/orders/7?x=1')
    expectProved(response, request)
  })

  it('an adapter of one’s own', async () => {
    const realm = await start('verifier')
    const request = realm.sign({ method: 'POST', body: Buffer.from('pay 1') })
    const response = await realm.send(request)
    expect(response.body.toString()).toBe(`hello ${WEB}, 5 bytes`)
    expectProved(response, request)
    const refused = await realm.send(request)
    expect(refused.status).toBe(401)
    expect(headerOf(refused, 'www-authenticate')).toContain('error="replay"')
    const bare = realm.sign()
    expectProved(await realm.send(bare), bare)
  })

  it('has no other program', () => {
    expect([...programs.keys()].sort()).toEqual([...tried].sort())
  })
})

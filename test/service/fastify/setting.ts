import { createServer, type RequestListener } from 'node:http'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { onTestFinished } from 'vitest'
import { type RunningRealm, type StartOptions, startRealm } from '../realm.js'

/** What a server calls with each request to the application, which is ended after the test. */
export async function listenerOf(
  build: (app: FastifyInstance) => void,
  options: FastifyServerOptions = {},
): Promise<RequestListener> {
  let handle: RequestListener | undefined
  const app = Fastify({
    ...options,
    serverFactory: handler => {
      handle = handler
      return createServer()
    },
  })
  onTestFinished(() => app.close())
  build(app)
  await app.ready()
  if (handle === undefined) throw new Error('Fastify made no handler')
  return handle
}

/** A service of the test realm whose requests Fastify handles. */
export function startFastify(
  build: (app: FastifyInstance, realm: RunningRealm) => void,
  { fastify, ...options }: StartOptions & { readonly fastify?: FastifyServerOptions } = {},
): Promise<RunningRealm> {
  return startRealm({ ...options, listener: realm => listenerOf(app => build(app, realm), fastify) })
}

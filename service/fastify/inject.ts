import type { FastifyInstance } from 'fastify'

/** Statuses with which a `Response` cannot be made with a body. */
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304])

/**
 * A `fetch` that hands its requests to `app.inject`, whatever their origin. With it a test calls an application that does
 * not listen as a real client would: `realm.connect('web', { fetch: injectFetch(app) })`.
 */
export function injectFetch(app: Pick<FastifyInstance, 'inject'>): typeof globalThis.fetch {
  return async (input, init) => {
    const request = new Request(input, init)
    const { pathname, search } = new URL(request.url)
    const body = Buffer.from(await request.arrayBuffer())
    const {
      statusCode: status,
      headers,
      rawPayload,
    } = await app.inject({
      method: request.method as 'GET',
      url: pathname + search,
      headers: Object.fromEntries(request.headers),
      signal: request.signal,
      ...(body.length > 0 && { payload: body }),
    })
    const pairs = Object.entries(headers).flatMap(([name, value]) =>
      [value ?? []].flat().map((item): [string, string] => [name, String(item)]),
    )
    return new Response(BODILESS.has(status) ? null : new Uint8Array(rawPayload), { status, headers: pairs })
  }
}

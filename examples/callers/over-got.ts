import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import got, { type BeforeRequestHook, type Got } from 'got'
import type { Realm, RealmFetchInit } from 'orthrus/client'

/**
 * got over a realm: its requests carry tickets, and only proved answers arrive. got follows redirects and retries by its
 * own rules, and each of these requests is signed again. Of its timeouts, `timeout.request` holds, for each attempt;
 * options that concern connections, such as `agent` and `http2`, do nothing, because got makes none.
 */
export function gotOver(realm: Realm, own: RealmFetchInit = {}): Got {
  const ask: BeforeRequestHook = async options => {
    const init = { ...own, ...(await initOf(options)), signal: signalOf(options) }
    return answerFrom(await realm.fetch(options.url as URL, init)) as never
  }
  return got.extend({ hooks: { beforeRequest: [ask] } })
}

type Options = Parameters<BeforeRequestHook>[0]

function signalOf({ signal, timeout: { request } }: Options): AbortSignal {
  const limits = [signal, request === undefined ? undefined : AbortSignal.timeout(request)]
  return AbortSignal.any(limits.filter(limit => limit !== undefined))
}

async function initOf(options: Options): Promise<RealmFetchInit> {
  // fetch states the length of the body by itself.
  const { 'content-length': _, ...given } = options.headers
  const headers = Object.entries(given).flatMap(([name, value]) =>
    [value ?? []].flat().map((one): [string, string] => [name, one]),
  )
  // A stream is read here, and not by got: then the same bytes are there for a redirect and for another attempt.
  if (isStream(options.body)) options.body = await buffer(options.body)
  const { method, body } = options
  return { method, headers, redirect: 'manual', ...(body === undefined ? {} : { body: body as BodyInit }) }
}

function isStream(body: unknown): body is AsyncIterable<Uint8Array> {
  return typeof body === 'object' && body !== null && Symbol.asyncIterator in body
}

/** The answer in the form of `node:http`, which got reads. */
async function answerFrom(response: Response): Promise<Readable> {
  const { status: statusCode, url } = response
  const body = Buffer.from(await response.arrayBuffer())
  const headers: Record<string, string | string[]> = Object.fromEntries(response.headers)
  const cookies = response.headers.getSetCookie()
  if (cookies.length > 0) headers['set-cookie'] = cookies
  return Object.assign(Readable.from(body.length === 0 ? [] : [body]), { statusCode, headers, url })
}

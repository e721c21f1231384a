import { describe, expect, it } from 'vitest'
import { deriveAuthKey } from '../../../shared/crypto/derive.js'
import { SessionKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import type { OrthrusError } from '../../../shared/errors.js'
import { createApReply } from '../../../shared/exchange/ap.js'
import { responseBinding } from '../../../shared/http/binding.js'
import { formatMessageHeader } from '../../../shared/http/headers.js'
import type { Arrived, FakeService } from '../fake-service.js'
import { failureOf, ORDERS_URL, Setting } from '../setting.js'

const URL = `${ORDERS_URL}/orders/7`
const HEADERS = { 'content-type': 'application/json', 'content-range': 'bytes 0-1/9', location: '/elsewhere' }

async function prepare() {
  const setting = new Setting()
  const { orders, time } = setting
  orders.handler = () => ({ status: 206, headers: { ...HEADERS, 'x-other': 'a' }, body: '{}' })
  return { orders, time, realm: await setting.connect() }
}

/** The honest response with something changed on its way. */
function altered(
  response: Response,
  change: { status?: number; headers?: Record<string, string | null>; body?: string },
) {
  const headers = new Headers(response.headers)
  for (const [name, value] of Object.entries(change.headers ?? {})) {
    if (value === null) headers.delete(name)
    else headers.set(name, value)
  }
  const status = change.status ?? response.status
  return new Response(change.body ?? response.body, { status, headers })
}

describe('a proved response', () => {
  it('is handed out as a response', async () => {
    const { realm } = await prepare()
    const response = await realm.fetch(URL)
    expect(response).toBeInstanceOf(Response)
    expect(response).toMatchObject({ status: 206, ok: true, url: URL, bodyUsed: false })
    expect(Object.fromEntries(response.headers)).toMatchObject({ ...HEADERS, 'x-other': 'a' })
    expect(await response.json()).toEqual({})
  })

  it.each([200, 201, 204, 205, 302, 304, 400, 404, 500])('may have status %d', async status => {
    const { orders, realm } = await prepare()
    orders.handler = () => ({ status, headers: {}, body: [204, 205, 304].includes(status) ? '' : 'x' })
    orders.proved = nullBody(orders)
    const response = await realm.fetch(URL)
    expect(response.status).toBe(status)
    expect(await response.text()).toBe([204, 205, 304].includes(status) ? '' : 'x')
  })

  it('to HEAD has no body, whatever GET would have had', async () => {
    const { realm } = await prepare()
    const response = await realm.fetch(URL, { method: 'HEAD' })
    expect(response.status).toBe(206)
    expect(await response.text()).toBe('')
  })

  it('may have headers that are not covered', async () => {
    const { orders, realm } = await prepare()
    orders.intercept = async (_, honest) => altered(await honest(), { headers: { 'x-other': 'b' } })
    expect((await realm.fetch(URL)).headers.get('x-other')).toBe('b')
  })
})

/** `Response` takes a body of no kind for some statuses. */
function nullBody(orders: FakeService): FakeService['proved'] {
  const { proved } = orders
  return (accepted, arrived, answered) => {
    if (answered.status !== 205) return proved.call(orders, accepted, arrived, answered)
    const binding = responseBinding(205, [], new Uint8Array())
    const reply = createApReply(accepted.key, accepted.request.mac, { time: orders.time.now(), binding })
    return new Response(null, { status: 205, headers: { 'authentication-info': formatMessageHeader(reply) } })
  }
}

type Lie = (service: FakeService, arrived: Arrived, honest: Response) => Response | Promise<Response>

const tampered: Record<string, Lie> = {
  'another status': (_s, _a, honest) => altered(honest, { status: 200 }),
  'another body': (_s, _a, honest) => altered(honest, { body: '[]' }),
  'a longer body': (_s, _a, honest) => altered(honest, { body: '{} ' }),
  'no body': (_s, _a, honest) => altered(honest, { body: '' }),
  'another content-type': (_s, _a, honest) => altered(honest, { headers: { 'content-type': 'text/html' } }),
  'no content-type': (_s, _a, honest) => altered(honest, { headers: { 'content-type': null } }),
  'an empty content-type': (_s, _a, honest) => altered(honest, { headers: { 'content-type': '' } }),
  'another content-range': (_s, _a, honest) =>
    altered(honest, { headers: { 'content-range': 'bytes 2-3/9' } }),
  'no content-range': (_s, _a, honest) => altered(honest, { headers: { 'content-range': null } }),
  'another location': (_s, _a, honest) => altered(honest, { headers: { location: '/steal' } }),
  'no location': (_s, _a, honest) => altered(honest, { headers: { location: null } }),
  'a doubled location': (_s, _a, honest) => {
    honest.headers.append('location', '/steal')
    return altered(honest, {})
  },
  'a content-encoding': (_s, _a, honest) => altered(honest, { headers: { 'content-encoding': 'gzip' } }),
  'a content-encoding of nothing': (_s, _a, honest) =>
    altered(honest, { headers: { 'content-encoding': 'identity' } }),
  'no AP-REP': (_s, _a, honest) => altered(honest, { headers: { 'authentication-info': null } }),
  'an AP-REP that is cut off': (_s, _a, honest) => {
    const proof = honest.headers.get('authentication-info') ?? ''
    return altered(honest, { headers: { 'authentication-info': proof.slice(0, -4) } })
  },
  'an AP-REP that is no base64url': (_s, _a, honest) =>
    altered(honest, { headers: { 'authentication-info': 'Orthrus !!!' } }),
  'an AP-REP of another scheme': (_s, _a, honest) => {
    const proof = honest.headers.get('authentication-info') ?? ''
    return altered(honest, { headers: { 'authentication-info': proof.replace('Orthrus', 'Basic') } })
  },
  'the AP-REQ sent back': (_s, { authorization }, honest) =>
    altered(honest, { headers: { 'authentication-info': formatMessageHeader(authorization) } }),
  'an AP-REP under another key': ({ time }, _a, honest) => {
    const key = deriveAuthKey(new SessionKey(systemRandom(32)), [])
    const binding = responseBinding(206, honest.headers, new TextEncoder().encode('{}'))
    const reply = createApReply(key, systemRandom(32), { time: time.now(), binding })
    return altered(honest, { headers: { 'authentication-info': formatMessageHeader(reply) } })
  },
  'a proved error of another request in place of it': async (service, arrived) => {
    const [before] = service.arrived
    return service.refuse(before === arrived ? arrived : (before as Arrived), 'not_authorized')
  },
  'a challenge without an error': () =>
    new Response('', { status: 401, headers: { 'www-authenticate': 'Orthrus realm="demo.example"' } }),
  'a challenge that names a code and has no message': () =>
    new Response('', {
      status: 401,
      headers: { 'www-authenticate': 'Orthrus realm="demo.example", error="revoked", message=""' },
    }),
  'a challenge of no form': () =>
    new Response('', { status: 401, headers: { 'www-authenticate': 'Orthrus message="AQY"' } }),
  'a challenge of another scheme': () =>
    new Response('', { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } }),
  'a page of somebody else': () => new Response('<html>', { status: 200 }),
}

describe('a response that is not the proved one is not handed out, and nothing is sent again', () => {
  it.each(Object.entries(tampered))('%s', async (_name, lie) => {
    const { orders, realm } = await prepare()
    await realm.fetch(`${URL}/before`)
    orders.intercept = async (arrived, honest, service) => lie(service, arrived, await honest())
    for (const method of ['GET', 'POST']) {
      const cause = (await failureOf(realm.fetch(URL, { method }))) as OrthrusError
      expect(cause).toMatchObject({ code: 'response_unproved', final: false })
      expect(cause.facts.hint).toContain('may have been handled')
    }
    expect(orders.arrived).toHaveLength(3)
  })

  it('the response to another request of the same client, the same in all but the MAC', async () => {
    const { orders, realm } = await prepare()
    let kept: Response | undefined
    orders.intercept = async (_, honest) => {
      const response = await honest()
      kept ??= response.clone()
      return kept.clone()
    }
    expect((await realm.fetch(URL)).status).toBe(206)
    expect(await failureOf(realm.fetch(URL))).toMatchObject({ code: 'response_unproved' })
  })

  it('has nothing behind the headers of a response to HEAD', async () => {
    const { orders, realm } = await prepare()
    orders.intercept = async (_, honest) => altered(await honest(), { body: 'more' })
    expect(await (await realm.fetch(URL, { method: 'HEAD' })).text()).toBe('')
  })
})

describe('limits', () => {
  it.each([
    [10, true],
    [9, false],
  ])('are applied to a body of 10 bytes where %d are allowed: %s', async (maxResponse, taken) => {
    const setting = new Setting()
    const realm = await setting.connect({ maxResponse })
    setting.orders.handler = () => ({ body: '0123456789' })
    const outcome = realm.fetch(URL)
    if (taken) expect(await (await outcome).text()).toBe('0123456789')
    else {
      const cause = await failureOf(outcome)
      expect(cause).toMatchObject({ code: 'too_large', final: false })
      expect(String(cause)).toContain('maxResponse')
      expect(setting.log).toContainEqual({
        level: 'warn',
        fields: { service: setting.orders.principal, maxResponse },
        message: 'a response is over maxResponse',
      })
    }
  })

  it('stop the reading of an endless body', async () => {
    const setting = new Setting()
    const realm = await setting.connect({ maxResponse: 1_000 })
    let pulled = 0
    setting.orders.intercept = async (_, honest) => {
      const { headers } = await honest()
      const body = new ReadableStream({
        pull: controller => {
          pulled += 100
          controller.enqueue(new Uint8Array(100))
        },
      })
      return new Response(body, { headers })
    }
    expect(await failureOf(realm.fetch(URL))).toMatchObject({ code: 'too_large' })
    expect(pulled).toBeLessThan(2_000)
  })

  it('are reported as no answer', async () => {
    const setting = new Setting()
    const refused = Object.assign(new TypeError('fetch failed'), { cause: new Error('connect ECONNREFUSED') })
    const realm = await setting.connect({ fetch: () => Promise.reject(refused) })
    const cause = await failureOf(realm.fetch(URL, { method: 'POST' }))
    expect(cause).toMatchObject({ code: 'unavailable', final: false })
    expect(String(cause)).toContain('connect ECONNREFUSED')
  })
})

describe('redirects', () => {
  const hops = (orders: FakeService) => orders.arrived.map(({ method, target }) => `${method} ${target}`)

  it.each([301, 302, 303, 307, 308])(
    '%d of a GET is followed within the origin, each with an AP-REQ',
    async status => {
      const { orders, realm } = await prepare()
      orders.handler = ({ target }) =>
        target === '/a?b' ? { status, headers: { location: 'c?d#e' }, body: '' } : { body: target }
      const response = await realm.fetch(`${ORDERS_URL}/a?b`)
      expect(await response.text()).toBe('/c?d')
      expect(response.url).toBe(`${ORDERS_URL}/c?d`)
      expect(hops(orders)).toEqual(['GET /a?b', 'GET /c?d'])
      expect(orders.handled).toHaveLength(2)
    },
  )

  it.each([
    'http://evil.test/',
    'http://orders.test:8081/',
    'https://orders.test:8080/',
    '//evil.test/x',
    'http://',
    'file:///etc/passwd',
  ])('to %s is not followed but handed out', async location => {
    const { orders, realm } = await prepare()
    orders.handler = () => ({ status: 302, headers: { location }, body: '' })
    const response = await realm.fetch(URL)
    expect(response.status).toBe(302)
    expect(orders.arrived).toHaveLength(1)
  })

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])('of a %s are not followed', async method => {
    const { orders, realm } = await prepare()
    orders.handler = () => ({ status: 303, headers: { location: '/c' }, body: '' })
    expect((await realm.fetch(URL, { method })).status).toBe(303)
    expect(orders.arrived).toHaveLength(1)
  })

  it('with a forged Location are not followed', async () => {
    const { orders, realm } = await prepare()
    orders.handler = () => ({ status: 302, headers: { location: '/c' }, body: '' })
    orders.intercept = async (_, honest) =>
      altered(await honest(), { headers: { location: '/transfer?to=me' } })
    expect(await failureOf(realm.fetch(URL))).toMatchObject({ code: 'response_unproved' })
    expect(orders.arrived).toHaveLength(1)
  })

  it('that nobody proved are not followed', async () => {
    const { orders, realm } = await prepare()
    orders.intercept = () => new Response(null, { status: 302, headers: { location: '/c' } })
    expect(await failureOf(realm.fetch(URL))).toMatchObject({ code: 'response_unproved' })
    expect(orders.arrived).toHaveLength(1)
  })

  it('are followed ten times', async () => {
    const { orders, realm } = await prepare()
    orders.handler = () => ({ status: 302, headers: { location: '/again' }, body: '' })
    expect((await realm.fetch(URL)).status).toBe(302)
    expect(orders.arrived).toHaveLength(11)
  })

  it('are handed out or refused if the caller says so', async () => {
    const { orders, realm } = await prepare()
    orders.handler = () => ({ status: 302, headers: { location: '/c' }, body: '' })
    expect((await realm.fetch(URL, { redirect: 'manual' })).status).toBe(302)
    expect(await failureOf(realm.fetch(URL, { redirect: 'error' }))).toBeInstanceOf(TypeError)
    expect(orders.arrived).toHaveLength(2)
  })
})

describe('a list of headers to which others have added', () => {
  const others: Record<string, (value: string) => string> = {
    'another scheme before': value => `Basic realm="x", ${value}`,
    'another scheme behind': value => `${value}, Basic realm="x"`,
    'a quote that does not end': value => `Basic realm="x, ${value}`,
    'one of ours that proves nothing before': value =>
      `Orthrus AAAA, Orthrus realm="a", error="replay", message="AAAA", ${value}`,
    'one of ours that proves nothing behind': value =>
      `${value}, Orthrus AAAA, Orthrus realm="a", error="replay", message="AAAA"`,
    'ours twice': value => `${value}, ${value}`,
  }

  it.each(Object.entries(others))('hides no proof: %s', async (_, change) => {
    const { orders, realm } = await prepare()
    orders.intercept = async (_request, honest) => {
      const response = await honest()
      const proof = response.headers.get('authentication-info') ?? ''
      return altered(response, { headers: { 'authentication-info': change(proof) } })
    }
    expect((await realm.fetch(URL)).status).toBe(206)
  })

  it.each(Object.entries(others))('hides no proved error: %s', async (_, change) => {
    const { orders, realm } = await prepare()
    orders.intercept = async (arrived, _honest, service) => {
      const response = service.refuse(arrived, 'not_authorized')
      const challenge = response.headers.get('www-authenticate') ?? ''
      const headers = { 'www-authenticate': change(challenge), 'authentication-info': 'Orthrus AAAA' }
      return altered(response, { headers })
    }
    expect(await failureOf(realm.fetch(URL))).toMatchObject({ code: 'not_authorized', final: true })
  })

  it('prefers what is proved to what anybody may have written', async () => {
    const { orders, realm } = await prepare()
    orders.intercept = async (arrived, _honest, service) => {
      const proved = service.refuse(arrived, 'not_authorized').headers.get('www-authenticate')
      const forged = service.forge('unavailable')
      return altered(forged, {
        headers: { 'www-authenticate': `${forged.headers.get('www-authenticate')}, ${proved}` },
      })
    }
    expect(await failureOf(realm.fetch(URL))).toMatchObject({ code: 'not_authorized', final: true })
  })

  it('hides no floor of a service that has just started', async () => {
    const { orders, realm } = await prepare()
    orders.intercept = async (_request, honest) => {
      const response = await honest()
      const challenge = response.headers.get('www-authenticate')
      return challenge === null
        ? response
        : altered(response, { headers: { 'www-authenticate': `Basic realm="x", ${challenge}` } })
    }
    orders.restart(orders.time.now() + 1)
    expect((await realm.fetch(URL)).status).toBe(206)
    expect(orders.arrived).toHaveLength(2)
  })
})

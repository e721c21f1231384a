import { Readable } from 'node:stream'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import type { RealmFetchInit } from '../../../client/realm-options.js'
import { failureOf, ORDERS_URL, Setting } from '../setting.js'

/** What `fetch` of a realm accepts besides the URL. */

const chunksOf = (...chunks: unknown[]) =>
  new ReadableStream({
    start: controller => {
      for (const chunk of chunks) controller.enqueue(chunk)
      controller.close()
    },
  })

async function* yielding(...chunks: unknown[]) {
  yield* chunks
}

const bytes = new TextEncoder().encode('hello')

describe('a body that is handed in as bytes', () => {
  it.each<[string, () => unknown]>([
    ['a stream of texts', () => chunksOf('hello')],
    ['a stream that decodes texts', () => new Blob(['hello']).stream().pipeThrough(new TextDecoderStream())],
    ['a stream of wider numbers', () => chunksOf(new Uint16Array(5))],
    ['a stream of buffers', () => chunksOf(bytes.buffer)],
    ['a stream of numbers', () => chunksOf(5)],
    ['a stream of nothing', () => chunksOf(bytes, undefined, bytes)],
    ['a stream of bytes and texts', () => chunksOf(bytes, 'hello')],
    ['texts that are iterated', () => yielding('hello')],
    ['numbers that are iterated', () => yielding(5)],
    ['a stream of Node’s with texts', () => Readable.from(['hello'])],
  ])('is refused as %s, and nothing is sent', async (_, body) => {
    const setting = new Setting()
    const realm = await setting.connect()
    const init = { method: 'POST', body: body() } as RealmFetchInit
    const cause = await failureOf(realm.fetch(`${ORDERS_URL}/`, init))
    expect(cause).toBeInstanceOf(TypeError)
    expect((cause as Error).message).toMatch(/^a chunk of the body of the request must be a Uint8Array/)
    expect(setting.orders.arrived).toHaveLength(0)
  })

  it.each<[string, () => unknown, string?]>([
    ['a stream of bytes', () => chunksOf(bytes.subarray(0, 2), Buffer.from(bytes.subarray(2)))],
    ['bytes that are iterated', () => yielding(bytes)],
    ['a stream of Node’s', () => Readable.from([Buffer.from(bytes)])],
    ['bytes', () => bytes],
    ['a Buffer, which is a part of a larger memory', () => Buffer.from('hello')],
    ['a DataView', () => new DataView(new TextEncoder().encode('xhello').buffer, 1)],
    ['an ArrayBuffer', () => new Uint8Array(bytes).buffer],
    [
      'an ArrayBuffer of another context',
      () => runInNewContext('new Uint8Array([104, 101, 108, 108, 111]).buffer'),
    ],
    ['a File', () => new File(['hello'], 'name.txt')],
    ['a form’s fields', () => new URLSearchParams([['hello', '']]), 'hello='],
    ['the body of a response', () => new Response('hello').body],
  ])('arrives as %s', async (_, body, text = 'hello') => {
    const setting = new Setting()
    const realm = await setting.connect()
    await realm.fetch(`${ORDERS_URL}/`, { method: 'POST', body: body() } as RealmFetchInit)
    expect(setting.orders.handled.map(each => new TextDecoder().decode(each.body))).toEqual([text])
  })

  class Form {
    readonly [Symbol.toStringTag] = 'FormData'
  }

  it.each<[string, unknown, RegExp]>([
    ['an object', { a: 1 }, /takes no "?Object"? as a body; write JSON\.stringify\(body\)/],
    ['a list', [1, 2], /takes no "?Array"? as a body/],
    ['an object without a prototype', Object.create(null), /takes no "?object"? as a body/],
    ['a number', 5, /takes no number as a body/],
    ['a truth', true, /takes no boolean as a body/],
    ['a URL', new URL('http://a.test/'), /takes no "?URL"? as a body/],
    ['a form of another library', new Form(), /takes no "?Form"? as a body; it is of another library/],
  ])('is never %s, of which the platform would send a text', async (_, body, message) => {
    const setting = new Setting()
    const realm = await setting.connect()
    const init = { method: 'POST', body } as RealmFetchInit
    const cause = await failureOf(realm.fetch(`${ORDERS_URL}/`, init))
    expect(cause).toBeInstanceOf(TypeError)
    expect((cause as Error).message).toMatch(message)
    expect(setting.kdc.log).toEqual([])
  })

  it.each<[string, (stream: Readable) => unknown]>([
    ['was read to its end', stream => stream.toArray()],
    ['was destroyed', stream => stream.destroy()],
  ])('is never a stream that %s, which would be an empty body', async (_, use) => {
    const setting = new Setting()
    const realm = await setting.connect()
    const body = Readable.from(yielding(bytes))
    await use(body)
    for (const sealed of [false, true]) {
      const cause = await failureOf(realm.fetch(`${ORDERS_URL}/`, { method: 'POST', body, sealed } as never))
      expect(cause).toBeInstanceOf(TypeError)
      expect((cause as Error).message).toContain('give each request a new one')
    }
    expect(setting.kdc.log).toEqual([])
  })

  it('is that of a Request, with the type that it has there', async () => {
    const setting = new Setting()
    const realm = await setting.connect()
    const form = new FormData()
    form.set('a', '1')
    const init = { method: 'POST', body: form, headers: { 'x-own': '1' } }
    for (const request of [
      new Request(`${ORDERS_URL}/`, init),
      new Request(`${ORDERS_URL}/`, {
        method: 'PUT',
        body: yielding(bytes) as never,
        duplex: 'half',
      } as RequestInit),
    ])
      expect((await realm.fetch(request)).status).toBe(200)
    const [first, second] = setting.orders.handled
    expect(first?.headers.get('content-type')).toMatch(/^multipart\/form-data; boundary=/)
    expect(first?.headers.get('x-own')).toBe('1')
    expect(new TextDecoder().decode(first?.body)).toContain('name="a"')
    expect(new TextDecoder().decode(second?.body)).toBe('hello')
  })

  it('is refused from a random source too', async () => {
    for (const random of [() => 'x'.repeat(32), () => new Uint16Array(32), () => new Uint8Array(1)]) {
      const setting = new Setting()
      const cause = await failureOf(
        setting.connect({ random: random as never }).then(realm => realm.fetch(`${ORDERS_URL}/`)),
      )
      expect(cause).toBeInstanceOf(TypeError)
      expect(setting.orders.arrived).toHaveLength(0)
    }
  })
})

describe('a path', () => {
  it.each([
    ['/files/report[1].pdf', '/files/report%5B1%5D.pdf'],
    ['/files/a|b', '/files/a%7Cb'],
    ['/files/a^b?c=[|^]', '/files/a%5Eb?c=[|^]'],
    ["/files/a%20b~!$&'()*+,;=:@", "/files/a%20b~!$&'()*+,;=:@"],
  ])('%s is sent and bound as %s', async (path, target) => {
    const setting = new Setting()
    const realm = await setting.connect()
    const ticket = (await realm.getServiceTicket('orders')).attenuate({ paths: ['/files'] })
    expect((await realm.fetch(`${ORDERS_URL}${path}`, { ticket })).status).toBe(200)
    expect(setting.orders.handled.map(each => each.target)).toEqual([target])
  })
})

describe('what else fetch takes', () => {
  it('is passed on', async () => {
    const setting = new Setting()
    const realm = await setting.connect()
    const dispatcher = { dispatch: () => true }
    await realm.fetch(`${ORDERS_URL}/`, { dispatcher, priority: 'low', keepalive: true } as RealmFetchInit)
    expect(setting.orders.arrived[0]?.init).toMatchObject({ dispatcher, priority: 'low', keepalive: true })
  })

  it.each([
    [{ servce: 'orders' }, 'fetch has no option "servce"; did you mean "service"?'],
    [{ agent: {} }, 'fetch has no option "agent"'],
    [{ cache: 'force-cache' }, 'cache "force-cache" is not supported'],
    [{ mode: 'no-cors' }, 'mode "no-cors" hides the response'],
  ])('%j is refused, never ignored', async (init, message) => {
    const setting = new Setting()
    const realm = await setting.connect()
    const cause = await failureOf(realm.fetch(`${ORDERS_URL}/`, init as RealmFetchInit))
    expect(cause).toBeInstanceOf(TypeError)
    expect((cause as Error).message).toContain(message)
    expect(setting.orders.arrived).toHaveLength(0)
  })

  it('counts where it is inherited, or a getter of a class', async () => {
    class Removing {
      readonly service = 'orders'
      get method() {
        return 'DELETE'
      }
    }
    const setting = new Setting()
    const realm = await setting.connect()
    for (const init of [new Removing(), Object.create({ method: 'DELETE', service: 'orders' })]) {
      await realm.fetch(`${ORDERS_URL}/`, init)
    }
    expect(setting.orders.handled.map(each => each.method)).toEqual(['DELETE', 'DELETE'])
  })

  it('works as a function apart from its realm', async () => {
    const { fetch, getServiceTicket, getTgt, close } = await new Setting().connect()
    const request = new Request(`${ORDERS_URL}/`, { method: 'POST', body: 'x' })
    // As axios calls it.
    expect((await fetch(request, undefined)).status).toBe(200)
    expect((await getServiceTicket('orders')).service).toBe('orders@demo.example')
    expect((await getTgt()).client).toBe('web@demo.example')
    close()
  })
})

import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { formatRequest, type RawRequest } from '../connection.js'
import { expectProved, expectRefused } from '../realm.js'
import { type Adapter, exchange, type Setting, startAdapter } from './adapter.js'

/** The body of a request, of every type and in every form, and what was changed on the way. */

export function describeBodies(name: string, adapter: Adapter): void {
  const start = (setting?: Setting) => startAdapter(adapter, setting)

  describe(`${name}: the body of a request`, () => {
    it.each([
      ['JSON', 'application/json', Buffer.from('{"sku":1}')],
      ['a form', 'application/x-www-form-urlencoded', Buffer.from('a=1&b=%C3%A9')],
      ['several parts', 'multipart/form-data; boundary=x', Buffer.from('--x\r\n\r\na\r\n--x--\r\n')],
      ['text', 'text/plain; charset=utf-8', Buffer.from('gr\u00fcn')],
      [
        'bytes of every value',
        'application/octet-stream',
        Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
      ],
      ['no type', undefined, Buffer.from('x')],
      ['nothing', 'text/plain', Buffer.alloc(0)],
      ['as many bytes as it may have', 'application/octet-stream', randomBytes(70_000)],
    ])('%s reaches the handler as it was sent', async (_, type, body) => {
      const { realm, seen } = await start({ maxBody: 70_000 })
      const headers = type === undefined ? [] : [['content-type', type] as const]
      const { signed, response } = await exchange(realm, { method: 'POST', headers, body })
      expectProved(response, signed)
      expect(seen[0]?.header('content-type')).toBe(type)
      expect(body.equals(seen[0]?.body ?? randomBytes(1))).toBe(true)
    })

    it.each([
      ['another body', (signed: RawRequest) => ({ ...signed, body: Buffer.from('pay 9') })],
      ['another target', (signed: RawRequest) => ({ ...signed, target: '/orders/8' })],
      ['another method', (signed: RawRequest) => ({ ...signed, method: 'PUT' })],
      ['a longer body', (signed: RawRequest) => ({ ...signed, body: Buffer.from('pay 1 and more') })],
      [
        'a type that was not sent',
        (signed: RawRequest) => ({
          ...signed,
          headers: [...signed.headers, ['content-type', 'a/b'] as const],
        }),
      ],
    ])('with %s never reaches it', async (_, change) => {
      const { realm, seen } = await start()
      const signed = realm.sign({ method: 'POST', body: Buffer.from('pay 1') })
      expectRefused(await realm.send(change(signed)), signed, 'binding_mismatch', '06')
      expect(seen).toEqual([])
    })

    it.each(['authorization', 'content-type'])('never reaches it with %s twice', async name => {
      const { realm, seen } = await start()
      const signed = realm.sign({
        method: 'POST',
        headers: [['content-type', 'a/b']],
        body: Buffer.from('x'),
      })
      const again = signed.headers.filter(header => header[0] === name)
      const response = await realm.send({ ...signed, headers: [...signed.headers, ...again] })
      expect([400, 401]).toContain(response.status)
      expect(seen).toEqual([])
    })

    it('is refused over the limit, announced or not', async () => {
      const { realm, seen } = await start({ maxBody: 10 })
      const { signed, response } = await exchange(realm, { method: 'POST', body: randomBytes(11) })
      expectRefused(response, signed, 'too_large', '06')
      const { body, ...head } = realm.sign({ method: 'POST', body: randomBytes(11) })
      const raw = formatRequest({ ...head, headers: [...head.headers, ['transfer-encoding', 'chunked']] })
      const chunked = [raw, Buffer.from('b\r\n'), body ?? Buffer.alloc(0), Buffer.from('\r\n0\r\n\r\n')]
      const refused = await realm.connect().write(Buffer.concat(chunked), 'POST').response()
      expectRefused(refused, head, 'too_large', '06')
      expect(seen).toEqual([])
    })

    it('may come in chunks', async () => {
      const { realm, seen } = await start()
      const { body: _, ...head } = realm.sign({ method: 'POST', body: Buffer.from('pay 1') })
      const raw = formatRequest({ ...head, headers: [...head.headers, ['transfer-encoding', 'chunked']] })
      const connection = realm.connect().write(raw, 'POST').write('2\r\npa\r\n')
      const response = await connection.write('3\r\ny 1\r\n0\r\n\r\n').response()
      expectProved(response, head)
      expect(Buffer.from(seen[0]?.body ?? []).toString()).toBe('pay 1')
    })

    it('that nobody would see never comes with a GET', async () => {
      const { realm, seen } = await start()
      const signed = realm.sign()
      const response = await realm.send({ ...signed, body: Buffer.from('x') })
      expect([400, 401]).toContain(response.status)
      expect(seen).toEqual([])
    })

    it('is asked for where its client waits to be asked', async () => {
      const { realm, seen } = await start()
      const body = Buffer.from('pay 1')
      const signed = realm.sign({ method: 'POST', body })
      const bytes = formatRequest({ ...signed, headers: [...signed.headers, ['expect', '100-continue']] })
      const connection = realm.connect().write(bytes.subarray(0, -body.length), 'POST')
      await expect.poll(() => connection.left.toString(), { interval: 1 }).toContain('100 Continue\r\n\r\n')
      const response = await connection.write(body).response()
      expectProved(response, signed)
      expect(response.informational).toEqual(['HTTP/1.1 100 Continue'])
      expect(Buffer.from(seen[0]?.body ?? []).toString()).toBe('pay 1')
    })

    it('that breaks off never reaches it, and is no refusal', async () => {
      const { realm, seen } = await start()
      const signed = realm.sign({ method: 'POST', body: Buffer.from('pay 1') })
      const connection = realm.connect().write(formatRequest(signed).subarray(0, -1))
      await connection.flushed()
      connection.destroy()
      await expect
        .poll(() => realm.log.lines.map(({ fields }) => fields.kind), { interval: 1 })
        .toEqual(['aborted'])
      expect([seen, realm.refused]).toEqual([[], []])
      const { signed: next, response } = await exchange(realm)
      expectProved(response, next)
    })
  })
}

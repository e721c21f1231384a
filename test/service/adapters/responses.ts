import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../../shared/bytes.js'
import { responseBinding } from '../../../shared/http/binding.js'
import { expectProved, headerOf, proofOf } from '../realm.js'
import { type Adapter, exchange, getByNode, type Reply, type Setting, startAdapter } from './adapter.js'

/** Responses of every kind and size, compressed ones, and those that a handler fails to make. */

const MEGABYTE = 1024 * 1024
const SIZES = [0, 1, 64 * 1024, MEGABYTE, ...(process.env.ORTHRUS_SLOW === '1' ? [20 * MEGABYTE] : [])]

export function describeResponses(name: string, adapter: Adapter): void {
  const start = (setting?: Setting) => startAdapter(adapter, setting)

  describe(`${name}: a response`, () => {
    it.each<[string, Reply, string?]>([
      ['to HEAD', { headers: [['content-type', 'a/b']] }, 'HEAD'],
      ['204', { status: 204 }],
      ['304', { status: 304, headers: [['etag', '"x"']] }],
      ['205', { status: 205 }],
      ['without a body', { headers: [['x-empty', '1']] }],
      ['without a type', { body: Buffer.from('x') }],
      ['that redirects', { status: 303, headers: [['location', '/orders/8']] }],
      ['that redirects with a body', { status: 307, headers: [['location', '/orders/8']], body: 'there' }],
      ['of a part', { status: 206, headers: [['content-range', 'bytes 0-0/5']], body: Buffer.from('h') }],
      ['for a missing thing', { status: 404, headers: [['content-type', 'text/html']], body: '<p>none' }],
      ['of a fault', { status: 503, body: 'later' }],
    ])('%s is proved', async (_, reply, method = 'GET') => {
      const { realm } = await start({ answer: () => reply })
      const { signed, response } = await exchange(realm, { method })
      expect(response.status).toBe(reply.status ?? 200)
      expectProved(response, signed)
      for (const [name, value] of reply.headers ?? []) expect(headerOf(response, name)).toBe(value)
      expect(response.body.toString()).toBe(String(reply.body ?? ''))
    })

    it('keeps several cookies apart', async () => {
      const headers = ['a=1', 'b=2; expires=Wed, 21 Oct 2037 07:28:00 GMT'].map(
        value => ['set-cookie', value] as const,
      )
      const { realm } = await start({ answer: () => ({ headers, body: 'x' }) })
      const { signed, response } = await exchange(realm)
      expectProved(response, signed)
      expect(response.headers.filter(([name]) => name.toLowerCase() === 'set-cookie')).toEqual(
        headers.map(([, value]) => [expect.stringMatching(/^set-cookie$/i), value]),
      )
    })

    it.each(SIZES)('of %d bytes is proved', async size => {
      const body = Buffer.alloc(size, 'orthrus')
      const { realm } = await start({ maxResponse: 20 * MEGABYTE, answer: () => ({ body }) })
      const signed = realm.sign()
      const response = await getByNode(realm, signed)
      expect(response.body.equals(body)).toBe(true)
      expectProved(response, signed)
    })

    it('over the limit becomes a proved 500, and the owner is told', async () => {
      const { realm } = await start({ maxResponse: 10, answer: () => ({ body: randomBytes(11) }) })
      const { signed, response } = await exchange(realm)
      expect([response.status, response.body.toString()]).toEqual([500, 'internal error\n'])
      expectProved(response, signed)
      expect(realm.log.lines.at(-1)?.fields).toMatchObject({
        kind: 'response_failed',
        reason: 'the response is larger than 10 bytes',
      })
    })

    it('to what the handler throws is a proved 500 that does not say why', async () => {
      const { realm } = await start({
        answer: () => {
          throw new Error('no database')
        },
      })
      const { signed, response } = await exchange(realm)
      expect(response.status).toBe(500)
      expect(response.body.toString()).not.toContain('database')
      expectProved(response, signed)
    })

    it('that streams is proved whole', async () => {
      const pieces = ['one ', 'two ', 'three']
      const { realm } = await start({
        answer: () => ({ body: Readable.from(pieces.map(each => Buffer.from(each))) }),
      })
      const { signed, response } = await exchange(realm)
      expect(response.body.toString()).toBe(pieces.join(''))
      expectProved(response, signed)
    })

    it('proves the further headers that its owner names, and says which', async () => {
      const headers = [
        ['etag', '"1"'],
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
      ] as const
      const { realm } = await start({
        coverResponseHeaders: ['ETag', 'set-cookie', 'x-next'],
        answer: () => ({ headers, body: 'x' }),
      })
      for (const method of ['GET', 'HEAD']) {
        const { signed, response } = await exchange(realm, { method })
        expect(headerOf(response, 'orthrus-covered')).toBe('etag, set-cookie, x-next')
        expectProved(response, signed)
        const stripped = response.headers.filter(([name]) => name.toLowerCase() !== 'set-cookie')
        expect(() => expectProved({ ...response, headers: stripped }, signed)).toThrow(/ to be /)
      }
    })

    it('does not say of itself what it covers', async () => {
      const { realm } = await start({ answer: () => ({ headers: [['orthrus-covered', 'etag']], body: 'x' }) })
      const { signed, response } = await exchange(realm)
      expect(headerOf(response, 'orthrus-covered')).toBeUndefined()
      expectProved(response, signed)
    })
  })

  describe(`${name}: compression`, () => {
    const body = 'orthrus '.repeat(256)
    const answer = (): Reply => ({ headers: [['content-type', 'text/plain']], body })
    const get = async (compression: 'in front' | 'behind', encoding: string) => {
      const { realm } = await start({ compression, answer })
      const signed = realm.sign({ headers: [['accept-encoding', encoding]] })
      return { realm, signed, response: await getByNode(realm, signed) }
    }

    it.each(['in front', 'behind'] as const)('%s leaves alone what asks for identity', async where => {
      const { signed, response } = await get(where, 'identity')
      expect([response.body.toString(), headerOf(response, 'content-encoding')]).toEqual([body, undefined])
      expectProved(response, signed)
    })

    it('behind is proved, and the owner is told that clients refuse it', async () => {
      const { realm, signed, response } = await get('behind', 'gzip')
      expect(gunzipSync(response.body).toString()).toBe(body)
      expect(headerOf(response, 'content-encoding')).toBe('gzip')
      expectProved(response, signed)
      expect(realm.log.lines.map(({ fields }) => fields.kind)).toContain('response_encoded')
    })

    it('in front makes of a proved response one that is not', async () => {
      const { signed, response } = await get('in front', 'gzip')
      const plain = gunzipSync(response.body)
      expect([plain.toString(), headerOf(response, 'content-encoding')]).toEqual([body, 'gzip'])
      const { binding } = proofOf(response, signed)
      const [sent, proved] = [response.body, plain].map(each => responseBinding(200, response.headers, each))
      expect(toHex(binding)).toBe(toHex(proved ?? binding))
      expect(toHex(binding)).not.toBe(toHex(sent ?? binding))
    })
  })
}

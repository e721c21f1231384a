import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type * as Primitives from '../../shared/crypto/primitives.js'
import { root } from '../end-to-end/processes.js'
import { hasChromium, openPage, serveFiles } from '../support/chromium.js'
import { vectors } from '../vectors.js'
import { bundled } from './page.js'

/** The shared vectors in a real browser: with noble, which the client uses there, and with WebCrypto where it has the same. */

declare global {
  var primitives: typeof Primitives
}

interface Aead {
  readonly comment: string
  readonly key: string
  readonly nonce: string
  readonly aad: string
  readonly msg: string
  readonly ct: string
  readonly tag: string
  readonly result: 'valid' | 'invalid'
}

interface Mac {
  readonly comment: string
  readonly key: string
  readonly msg: string
  readonly tag: string
  readonly result: 'valid' | 'invalid'
}

const cases = <T>(name: string): T[] => vectors<{ cases: T[] }>(`edge-cases/${name}`).cases

describe.skipIf(!hasChromium)('cryptography in Chromium', { timeout: 120_000 }, () => {
  it('gives the bytes of the vectors, by noble and by WebCrypto', async () => {
    const path = join(root, 'shared/crypto/primitives.ts')
    const program = `import * as primitives from ${JSON.stringify(path)}; globalThis.primitives = primitives`
    const files = (await bundled(program)).map(({ path, code }) => [path, code])
    const html = '<!doctype html><script type="module" src="/page.js"></script>'
    const { page } = await openPage(await serveFiles({ '/': html, ...Object.fromEntries(files) }))
    const given = {
      extended: cases<Aead>('xchacha20-poly1305'),
      plain: cases<Aead>('chacha20-poly1305'),
      macs: cases<Mac>('hmac-sha-256'),
    }
    const wrong = await page.evaluate(async ({ extended, plain, macs }) => {
      const hex = (text: string): Uint8Array<ArrayBuffer> =>
        Uint8Array.from(text.match(/../g) ?? [], byte => Number.parseInt(byte, 16))
      const toHex = (bytes: Uint8Array): string =>
        [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join('')
      const opened = (open: typeof primitives.openRecord, { key, nonce, aad, ct, tag }: Aead) => {
        try {
          return open(hex(key), hex(nonce), hex(aad), hex(ct + tag))
        } catch {
          return undefined
        }
      }
      const wrong: string[] = []
      for (const [open, all] of [
        [primitives.openExtended, extended],
        [primitives.openRecord, plain],
      ] as const)
        for (const one of all) {
          const message = opened(open, one)
          const expected = one.result === 'valid' ? one.msg : undefined
          if ((message && toHex(message)) !== expected) wrong.push(one.comment)
        }
      for (const { comment, key, msg, tag, result } of macs) {
        const own = toHex(primitives.hmacSha256(hex(key), hex(msg)))
        if ((own === tag) !== (result === 'valid')) wrong.push(comment)
        if (key === '') continue
        const algorithm = { name: 'HMAC', hash: 'SHA-256' }
        const imported = await crypto.subtle.importKey('raw', hex(key), algorithm, false, ['sign'])
        const theirs = toHex(new Uint8Array(await crypto.subtle.sign(algorithm, imported, hex(msg))))
        if (theirs !== own) wrong.push(`WebCrypto: ${comment}`)
      }
      return wrong
    }, given)
    expect(given.extended.length + given.plain.length + given.macs.length).toBeGreaterThan(500)
    expect(wrong).toEqual([])
  })
})

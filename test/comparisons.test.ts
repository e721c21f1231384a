import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, vi } from 'vitest'
import * as noble from '../shared/crypto/primitives.js'
import * as openssl from '../shared/crypto/primitives.node.js'
import { carelessComparisons } from './comparisons.js'

/** MACs, tags, digests, bindings and keys are compared in one way, which takes the same time wherever they differ. */

const compared = vi.hoisted(() => ({ calls: 0 }))

vi.mock('node:crypto', async importOriginal => {
  const original = await importOriginal<typeof import('node:crypto')>()
  const timingSafeEqual: typeof original.timingSafeEqual = (a, b) => {
    compared.calls += 1
    return original.timingSafeEqual(a, b)
  }
  return { ...original, timingSafeEqual }
})

const root = fileURLToPath(new URL('..', import.meta.url))
const FOLDERS = ['shared', 'kdc', 'service', 'client', 'cli', 'testing', 'examples'] as const
const PRIMITIVES = 'shared/crypto/primitives.node.ts'

/** What is found and is right: where, what is in the line, and why. */
const EXCEPTIONS: readonly (readonly [path: string, text: string, reason: string])[] = [
  [PRIMITIVES, 'timingSafeEqual', 'the one place that has it'],
  ['shared/base64url.node.ts', 'toBase64url(bytes) !== text', 'a text and its own one spelling'],
  ['shared/base64url.ts', 'toBase64url(bytes) !== text', 'a text and its own one spelling'],
  ['shared/ticket/opened-tickets.ts', 'known.key === key', 'whether two keys are one object'],
  [
    'kdc/store/level/record-check.ts',
    'tally.sum[i]',
    'a check sum against damage, which authenticates nothing',
  ],
  ['kdc/store/level/log-check.ts', '!== checksum', 'a check sum against damage, which authenticates nothing'],
  ['service/replay/replay-table.ts', 'slab[at', 'ids of requests whose MAC was verified before'],
  [
    'kdc/realm/revocation-log.ts',
    'this.#tickets.has(',
    'whether a ticket that was opened, and so was proved, is in a list',
  ],
  [
    'kdc/realm/revocation-log.ts',
    'this.#tickets.get(',
    'which entry an administrator made for a ticket before',
  ],
  ['kdc/feed/feed.ts', 'toHex(logId) === ', 'the id of the log is told to every follower'],
  ['kdc/store/etcd/watching.ts', 'event.key === last', 'the name under which etcd has something'],
  ['client/login/password.ts', 'toHex(salt)', 'a salt is no secret'],
  ['cli/password.ts', 'The same again', 'what one person typed twice at one terminal'],
]

const sources = FOLDERS.flatMap(folder =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .map(name => ({
      path: join(folder, name),
      text: readFileSync(join(root, folder, name), 'utf8'),
    })),
)

const found = sources.flatMap(({ path, text }) => carelessComparisons(text).map(line => ({ path, line })))

describe('comparisons', () => {
  it('of secrets and MACs are made by equalBytes, except those that are listed with a reason', () => {
    const careless = found.filter(
      ({ path, line }) => !EXCEPTIONS.some(([where, text]) => where === path && line.includes(text)),
    )
    expect(careless).toEqual([])
  })

  it.each(EXCEPTIONS)('need each exception: %s, %s', (where, text) => {
    expect(found.some(({ path, line }) => where === path && line.includes(text))).toBe(true)
  })

  it('of MACs are made by isMac, and nothing else makes a MAC to compare it', () => {
    const makers = sources.filter(({ text }) => /\bcreateMac\(/.test(text)).map(({ path }) => path)
    expect(makers.sort()).toEqual([
      'shared/crypto/derive.ts',
      'shared/crypto/lock.ts',
      'shared/encoding/message.ts',
    ])
    const derive = sources.find(({ path }) => path === 'shared/crypto/derive.ts')?.text
    expect(derive).toContain('return equalBytes(createMac(key, usage, ...parts), mac)')
  })

  it.each([
    'if (request.mac !== mac) throw new Error()',
    'return message.mac.toString() === expected.toString()',
    'if (mac[0] !== other[0]) return false',
    'return a.every((byte, i) => byte === b[i])',
    'for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false',
    'return toHex(mac) === toHex(expected)',
    'return toHex(given) == wanted',
    "return Buffer.from(a).toString('hex') === toHex(b)",
    'if (Buffer.compare(tag, expected) === 0) return true',
    'return Buffer.from(tag).equals(expected)',
    'if (isDeepStrictEqual(proof, expected)) return',
    'return a.length === b.length && timingSafeEqual(a, b)',
    'if (bindingOf(request) !== accepted.binding) throw new Error()',
    'if (sha256(body) === digest) return',
    'return checkOf(bytes) === check',
    'return known.has(toHex(mac))',
    'return line.endsWith(toBase64url(proof))',
    'return text.startsWith(proof)',
    'if (!macs.includes(mac)) return',
    'return revealKey(key) === revealKey(other)',
    'if (request.replyKey !== expected) return',
  ])('are found if they are careless: %s', line => {
    expect(carelessComparisons(`function f() {\n  ${line}\n}\n`)).toEqual([line])
  })

  it.each([
    'return equalBytes(mac, expected)',
    'if (mac === undefined) return',
    'if (bytes.length !== SIZE.KEY + SIZE.CHECK) throw invalid()',
    'if (tag.length !== other.length) return false',
    'if (stored.kvno === ticket.kvno) return stored',
    "if (typeof key === 'string') return",
    '// a comparison such as mac === other',
  ])('are not reported if they are careful: %s', line => {
    expect(carelessComparisons(`function f() {\n  ${line}\n}\n`)).toEqual([])
  })
})

describe('equalBytes', () => {
  const bytes = () => Uint8Array.from({ length: 32 }, (_, i) => i)

  it('is timingSafeEqual on Node, whatever differs', () => {
    for (let at = 0; at < 32; at++) {
      compared.calls = 0
      const other = bytes()
      other[at] = 255
      expect(openssl.equalBytes(bytes(), other)).toBe(false)
      expect(compared.calls).toBe(1)
    }
    expect(openssl.equalBytes(bytes(), bytes())).toBe(true)
  })

  it('looks at every byte elsewhere, whatever differs', () => {
    const readsOf = (other: Uint8Array) => {
      let reads = 0
      const watched = new Proxy(other, {
        get: (target, name) => {
          if (/^\d+$/.test(String(name))) reads += 1
          return Reflect.get(target, name, target) as unknown
        },
      })
      return [noble.equalBytes(bytes(), watched), reads]
    }
    expect(readsOf(bytes())).toEqual([true, 32])
    for (let at = 0; at < 32; at++) {
      const other = bytes()
      other[at] = 255
      expect(readsOf(other)).toEqual([false, 32])
    }
  })
})

import { describe, expect, it } from 'vitest'
import { OrthrusError } from '../../shared/errors.js'
import { createOwnerLogger } from '../../shared/owner-logger.js'
import { MINUTE } from '../../shared/time.js'

function setting() {
  let now = 0
  const lines: string[] = []
  const clock = { now: () => 0, monotonic: () => now }
  const logger = createOwnerLogger({
    name: 'orthrus client',
    clock,
    write: line => void lines.push(line),
  })
  const pass = (milliseconds: number): void => {
    now += milliseconds
  }
  return { logger, lines, pass }
}

describe('what an owner reads', () => {
  it('is warnings and errors, with their fields', () => {
    const { logger, lines } = setting()
    logger.debug({ a: 1 }, 'debug')
    logger.info({ a: 1 }, 'info')
    logger.warn({ service: 'orders@demo.example', missing: undefined, left: 3 }, 'something is odd')
    logger.error({ cause: new OrthrusError('auth_failed', 'refused', { hint: 'look' }) }, 'it failed')
    expect(lines).toEqual([
      'orthrus client warning: something is odd service="orders@demo.example" left=3',
      'orthrus client error: it failed cause="auth_failed: refused (look)"',
    ])
  })

  it('has the stack of an unexpected error', () => {
    const { logger, lines } = setting()
    logger.error({ err: new Error('broken') }, 'a handler failed')
    expect(lines[0]).toContain('Error: broken')
    expect(lines[0]).toContain('owner-logger.test.ts')
  })

  it('lets no message in a stack look like an entry of its own', () => {
    const { logger, lines } = setting()
    logger.error({ err: new Error('x\northrus client error: forged') }, 'a handler failed')
    expect(lines[0]).not.toMatch(/^orthrus client error: forged/m)
  })

  it('has at most three of one message and ten in all in a minute, and says how many are missing', () => {
    const { logger, lines, pass } = setting()
    for (let i = 0; i < 100; i++) logger.warn({ i }, 'often')
    expect(lines).toHaveLength(3)
    logger.warn({}, 'rarely')
    expect(lines[3]).toBe('orthrus client warning: rarely (97 earlier ones were left out)')
    for (let i = 0; i < 100; i++) logger.warn({}, `other ${i}`)
    expect(lines).toHaveLength(10)
    pass(MINUTE - 1)
    logger.warn({}, 'rarely')
    expect(lines).toHaveLength(10)
    pass(1)
    logger.warn({}, 'often')
    expect(lines.at(-1)).toBe('orthrus client warning: often (95 earlier ones were left out)')
  })

  it('has no entry twice in a minute, as of a request that the client sends again', () => {
    const { logger, lines, pass } = setting()
    for (const path of ['/a', '/a', '/b', '/a']) logger.warn({ path }, 'refused')
    expect(lines).toEqual([
      'orthrus client warning: refused path="/a"',
      'orthrus client warning: refused path="/b" (1 earlier ones were left out)',
    ])
    pass(MINUTE)
    logger.warn({ path: '/a' }, 'refused')
    expect(lines).toHaveLength(3)
  })

  it('cannot move a cursor, begin a line or grow without end', () => {
    const { logger, lines } = setting()
    logger.warn({ path: '/\u001b[2J\u009b\u202e\r\n', long: 'x'.repeat(10_000) }, 'odd\u001b[1m')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(lines[0]).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/)
    expect(lines[0]?.length).toBeLessThan(1_000)
    const loop: { self?: object } = {}
    loop.self = loop
    logger.warn({ loop, big: 1n }, 'what has no JSON')
    expect(lines[1]).toBe('orthrus client warning: what has no JSON loop=object big=bigint')
  })
})

import { describe, expect, it } from 'vitest'
import { copyOptions, type KnownOptions, nearestOf, requireKnownOptions } from '../../shared/options.js'

interface One {
  readonly service: string
  readonly claims?: object
}
interface Other {
  readonly service: string
  readonly maxBody?: number
}

const KNOWN: KnownOptions<One | Other> = { service: true, claims: true, maxBody: true }

const refusal = (options: unknown): unknown => {
  try {
    requireKnownOptions('requireTicket', options as One, KNOWN)
  } catch (cause) {
    return cause
  }
  return undefined
}

describe('options', () => {
  it('accept those that exist, even for a union of types, and none at all', () => {
    for (const options of [{}, { service: 'a' }, { service: 'a', claims: {}, maxBody: 1 }]) {
      expect(refusal(options)).toBeUndefined()
    }
  })

  it('refuse one that does not exist, and name the nearest right one', () => {
    const cause = refusal({ service: 'a', claim: { role: 'admin' } })
    expect(cause).toBeInstanceOf(TypeError)
    expect(cause).toHaveProperty('message', 'requireTicket has no option "claim"; did you mean "claims"?')
  })

  it('are listed if none is near', () => {
    expect(refusal({ colour: 1 })).toHaveProperty(
      'message',
      'requireTicket has no option "colour"; it takes service, claims, maxBody',
    )
  })

  it('refuse one without a value, an inherited one, and names that every object has', () => {
    expect(refusal({ claim: undefined })).toBeInstanceOf(TypeError)
    expect(refusal(Object.create({ claim: 1 }))).toBeInstanceOf(TypeError)
    for (const name of ['constructor', 'toString', '__proto__', 'hasOwnProperty']) {
      expect(refusal(JSON.parse(`{ "${name}": 1 }`)), name).toBeInstanceOf(TypeError)
    }
  })

  it('refuse one that a class or a property that is not listed hides', () => {
    class Misspelt {
      get claim() {
        return { role: 'admin' }
      }
    }
    class Derived extends Misspelt {}
    const hidden = Object.defineProperty({}, 'claim', { value: 1, enumerable: false })
    for (const options of [new Misspelt(), new Derived(), hidden, new Proxy(new Misspelt(), {})]) {
      expect(refusal(options)).toHaveProperty('message', expect.stringContaining('did you mean "claims"?'))
    }
    class Right {
      get claims() {
        return {}
      }
    }
    expect(refusal(new Right())).toBeUndefined()
    expect(refusal(Object.create(null))).toBeUndefined()
  })

  it('are copied with those that are inherited, each read once', () => {
    let reads = 0
    class Given {
      readonly service = 'a'
      get maxBody() {
        reads++
        return 1
      }
    }
    expect({ ...copyOptions<One | Other>(new Given(), KNOWN) }).toEqual({ service: 'a', maxBody: 1 })
    expect(reads).toBe(1)
  })

  it('refuse what is not an object of options', () => {
    for (const options of [undefined, null, 'orders', 7, ['orders'], () => {}]) {
      expect(refusal(options)).toHaveProperty(
        'message',
        'requireTicket takes an object of options: service, claims, maxBody',
      )
    }
  })

  it('never show a value, nor much of a name', () => {
    const { message } = refusal({ [`secret${'x'.repeat(1000)}`]: 'orthruskey1_canary' }) as TypeError
    expect(message).not.toContain('canary')
    expect(message.length).toBeLessThan(200)
  })

  it.each([
    ['claim', 'claims'],
    ['MAXBODY', 'maxBody'],
    ['maxBdoy', 'maxBody'],
    ['maxBodySize', undefined],
    ['servce', 'service'],
    ['sevrice', 'service'],
    ['services', 'service'],
    ['x', undefined],
    ['', undefined],
    ['unrelated', undefined],
  ])('%s is nearest to %s', (written, nearest) => {
    expect(nearestOf(written, Object.keys(KNOWN))).toBe(nearest)
  })
})

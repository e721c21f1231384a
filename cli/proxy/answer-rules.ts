import { hasBody } from '../../shared/http/binding.js'
import { COVERED_RESPONSE_HEADERS } from '../../shared/http/header-names.js'
import { type HeaderPair, headersOfAnswer, valuesOf } from './header-rules.js'

/** What of an answer of the program is passed back, as functions of values. */

const COVERED: ReadonlySet<string> = new Set(COVERED_RESPONSE_HEADERS)

/** Why an answer cannot be passed on. */
export function faultIn(method: string, status: number, pairs: readonly HeaderPair[]): string | undefined {
  if (status < 200 || status > 599) return `its status is ${status}`
  const twice = COVERED_RESPONSE_HEADERS.find(name => valuesOf(pairs, name).length > 1)
  if (twice !== undefined) return `it has ${twice} twice`
  const encodings = valuesOf(pairs, 'content-encoding').filter(value => !/^\s*(?:identity)?\s*$/i.test(value))
  if (encodings.length > 0 && hasBody(method, status))
    return 'it is compressed, although it was asked not to be (accept-encoding: identity)'
  return undefined
}

/** The headers that go back, as the gate binds and sends them. */
export function passedHeaders(method: string, status: number, pairs: readonly HeaderPair[]): HeaderPair[] {
  const passed = headersOfAnswer(pairs).filter(([given, value]) => {
    const name = given.toLowerCase()
    // One that is bound must not be empty.
    return name !== 'content-encoding' && !(COVERED.has(name) && value.trim() === '')
  })
  // What the length of a body would have been, where there is none.
  const [length] = hasBody(method, status) ? [] : valuesOf(pairs, 'content-length')
  return length === undefined || status === 204 ? passed : [...passed, ['content-length', length]]
}

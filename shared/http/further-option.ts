import { hasSecret, quoted, shown } from '../shown-text.js'
import { faultIn, NAMES_MAX } from './further-headers.js'

/** Further headers as a caller or the owner of a service names them. */

/** The value of `orthrus-covered`. @param names as `furtherHeadersOf` returns them, at least one */
export function formatFurtherHeaders(names: readonly string[]): string {
  return names.join(', ')
}

/**
 * What an option says to cover: the names in lower case and ascending order.
 * @param option its name, for the error
 * @throws TypeError if it is not a list of at most 32 different names that may be covered
 */
export function furtherHeadersOf(option: string, given: unknown): readonly string[] {
  if (!Array.isArray(given)) throw new TypeError(`${option} is a list of names of headers`)
  const names = given.map(name => nameIn(option, name)).sort()
  const twice = names.find((name, i) => name === names[i + 1])
  if (twice !== undefined) throw new TypeError(`${option} names ${quoted(twice)} twice`)
  if (names.length > NAMES_MAX) throw new TypeError(`${option} has at most ${NAMES_MAX} names`)
  return Object.freeze(names)
}

function nameIn(option: string, given: unknown): string {
  const name = typeof given === 'string' ? given.replace(/[A-Z]/g, letter => letter.toLowerCase()) : ''
  const fault = hasSecret(name) ? 'is a secret' : faultIn(name)
  if (fault === undefined) return name
  throw new TypeError(`${option} names ${shown(given)}, which ${fault}`)
}

import { InvalidArgumentError } from 'commander'
import { foldedName } from './header-rules.js'

/** Options that both ends of `orthrus proxy` have. */

/** The name of a header, folded; added to those `before` it. */
export function parseHeaderName(text: string, before: readonly string[] = []): string[] {
  if (!/^[a-z0-9_-]{1,64}$/i.test(text))
    throw new InvalidArgumentError('Write the name of a header, as x-api-key.')
  return [...before, foldedName(text)]
}

export function parseCount(text: string): number {
  if (/^[1-9][0-9]{0,4}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('Write a number from 1 to 99999.')
}

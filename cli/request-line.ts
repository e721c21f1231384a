import { InvalidArgumentError } from 'commander'
import type { BodyOptions } from './request-body.js'

/** The parts of a request on the command line: read, or refused with what would have been right. */

export interface RequestLine {
  readonly method: string
  readonly url: string
}

/**
 * The method stays as it is typed: `fetch` turns those that it knows into upper case, and leaves `patch` unchanged.
 * @throws TypeError
 */
export function requestLine(words: readonly string[], { data, dataRaw }: BodyOptions): RequestLine {
  const [first = '', second, ...rest] = words
  if (rest.length > 0 || (second !== undefined && first.includes('/')))
    throw new TypeError('name one URL, after the method: orthrus call [METHOD] URL')
  const url = second ?? first
  requireHttpUrl(url)
  const hasBody = data !== undefined || dataRaw !== undefined
  const method = second === undefined ? (hasBody ? 'POST' : 'GET') : first
  if (hasBody && /^(?:get|head)$/i.test(method))
    throw new TypeError(
      `a ${method.toUpperCase()} has no body: leave out --data, or name a method such as POST`,
    )
  return { method, url }
}

/** The URL is not repeated if it may contain a password. */
function requireHttpUrl(text: string): void {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    const told = text.includes('@') ? '' : `: ${JSON.stringify(text)}`
    throw new TypeError(`not the URL of a service${told}; write http://127.0.0.1:8080/path`)
  }
  if (url.username !== '' || url.password !== '')
    throw new TypeError('leave the name and password out of the URL: the keytab says which principal calls')
}

/** `name: value`; added to those `before` it. */
export function parseHeader(text: string, before: [string, string][] = []): [string, string][] {
  const colon = text.indexOf(':')
  if (colon < 1) throw new InvalidArgumentError('Write a header as "name: value".')
  const header: [string, string] = [text.slice(0, colon).trim(), text.slice(colon + 1).trim()]
  if (header[0].toLowerCase() === 'authorization')
    throw new InvalidArgumentError('orthrus call sets Authorization itself: leave it out.')
  try {
    new Headers([header])
  } catch {
    throw new InvalidArgumentError('No header can have such a name or value.')
  }
  return [...before, header]
}

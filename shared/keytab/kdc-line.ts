import { OrthrusError } from '../errors.js'
import { shownUrl } from '../shown-url.js'

/**
 * The line of a keytab that names the KDCs of the realm, so that a host is told once where they are (docs/protocol.md,
 * "The keytab file"). It stands before the first key. Whoever does not know it skips it, as all comments.
 */

const BEGIN = '# kdc'
/** How many KDCs it names at most. */
const MAX = 16

/**
 * The line for these URLs, without its end; nothing for none. Only what is read again is written: a code may name what it likes,
 * and must not leave a host with a keytab that it cannot read.
 */
export function kdcLine(urls: readonly string[]): readonly string[] {
  const named = [...new Set(urls.map(written))].filter(isKdcUrl).slice(0, MAX)
  return named.length === 0 ? [] : [`${BEGIN} ${named.join(',')}`]
}

/** Commas and white space mean something in the line; in a URL they mean the same when they are encoded. */
function written(url: string): string {
  return url.trim().replaceAll(',', '%2C').replaceAll(/\s/g, encodeURIComponent)
}

/**
 * The URLs that a keytab names; none if it has no such line.
 * @param path the file that the text is from, named in errors
 * @throws OrthrusError `keytab_invalid` if the line is not one, or stands there twice
 */
export function kdcsNamed(text: string, path?: string): string[] {
  let found: string[] | undefined
  for (let from = 0, number = 1; text[from] === '#'; number++) {
    const end = text.indexOf('\n', from)
    const line = text.slice(from, end < 0 ? undefined : end)
    if (line === BEGIN || line.startsWith(`${BEGIN} `)) {
      if (found !== undefined) throw invalid(number, path, 'there is one such line before it')
      found = urlsOf(line.slice(BEGIN.length + 1), number, path)
    }
    if (end < 0) break
    from = end + 1
  }
  return found ?? []
}

function urlsOf(list: string, number: number, path: string | undefined): string[] {
  const urls = list.split(',', MAX + 1)
  if (urls.length > MAX) throw invalid(number, path, `it has more than ${MAX}`)
  const odd = urls.find(url => !isKdcUrl(url))
  if (odd === undefined) return [...new Set(urls)]
  throw invalid(number, path, `${JSON.stringify(shownUrl(odd)).slice(0, 100)} is not the URL of a KDC`)
}

/** Whether it is written as the URL of a KDC. */
export function isKdcUrl(text: string): boolean {
  if (!/^wss?:\/\/\S+$/.test(text) || !URL.canParse(text)) return false
  return new URL(text).hash === ''
}

/** Whether a URL leads to the machine that it is used on. */
export function isOfThisMachine(text: string): boolean {
  return URL.canParse(text) && /^(?:localhost|\[::1\]|127\..*)$/.test(new URL(text).hostname)
}

function invalid(number: number, path: string | undefined, reason: string): OrthrusError {
  const keytab = path === undefined ? 'the keytab' : `the keytab ${path}`
  return new OrthrusError('keytab_invalid', `line ${number} of ${keytab} names no KDCs: ${reason}`, {
    final: true,
    hint: 'write "# kdc wss://a.example,wss://b.example", or name the KDC elsewhere: --kdc URL, ORTHRUS_KDC, or the option kdc',
  })
}

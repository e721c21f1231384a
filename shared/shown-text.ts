/**
 * Text of somebody else's that is about to be shown. A secret is easily passed where a name, a URL or a path belongs, and
 * an error that quotes it would carry it into a log.
 */

/** How every text form of a secret begins: of a keytab's key, a credential, a join code, a master key. */
const SECRET = /(orthrus[a-z]*1_)[\w-]+/gi

/** The same text with each secret left out: `orthruskey1_...`. */
export function withoutSecrets(text: string): string {
  return text.replace(SECRET, '$1...')
}

/** Whether a secret is in the text. */
export function hasSecret(text: string): boolean {
  return text.search(SECRET) !== -1
}

/** The text in quotes, without secrets and cut to a bounded length. @param max characters */
export function quoted(text: string, max = 80): string {
  return JSON.stringify(withoutSecrets(text).slice(0, max))
}

/** What was given in place of something else, for a message. It may be of any type. */
export function shown(value: unknown): string {
  return typeof value === 'string' ? quoted(value) : withoutSecrets(String(value)).slice(0, 80)
}

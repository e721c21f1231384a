import { shown } from '../shown-text.js'

/** Origins of pages, as browsers send them in the header `origin`. */

/**
 * Whether pages of the web have this origin: `https://app.example`. A host may hold a `*` for whoever parses URLs, and no
 * page comes from there: whoever writes one means a pattern, and there is none.
 */
export function isWebOrigin(text: unknown): text is string {
  return (
    typeof text === 'string' &&
    /^https?:[^*]+$/.test(text) &&
    URL.canParse(text) &&
    new URL(text).origin === text
  )
}

/** Whether it is the origin of a page of the web, or of another kind, such as a browser's extension. */
export function isPageOrigin(text: unknown): text is string {
  return (
    isWebOrigin(text) ||
    (typeof text === 'string' && /^(?!https?:)[a-z][a-z0-9+.-]*:\/\/[^/*\s]+$/.test(text))
  )
}

/** @param option whose value it is. @throws TypeError */
export function requireOrigins(option: string, origins: unknown): asserts origins is readonly string[] {
  const form = `${option} is a list of origins of pages, such as ['https://app.example']`
  if (!Array.isArray(origins)) throw new TypeError(form)
  for (const origin of origins) {
    if (!isPageOrigin(origin))
      throw new TypeError(`${form}: each is named in full, and ${shown(origin)} is none`)
  }
}

import { quoted, shown } from '../shared/shown-text.js'
import { shownUrl } from '../shared/shown-url.js'
import { type ConnectOptions, isPasswordLogin } from './connect-options.js'
import { isPrivateUrl } from './login/password.js'

/** The URLs in the options of `connect`: those of the KDCs, and the origins of services. */

/**
 * The option `kdc` as a list, each URL once. A text may have several, with commas between them, as ORTHRUS_KDC has.
 * @throws TypeError, which does not repeat what it is in place of texts
 */
export function kdcList(kdc: string | readonly string[] | undefined): string[] {
  const list: unknown = typeof kdc === 'string' ? kdc.split(',') : (kdc ?? [])
  if (Array.isArray(list) && list.every(each => typeof each === 'string'))
    return [...new Set(list.map(each => each.trim()))]
  throw new TypeError('kdc is the URL of a KDC, or a list of such: write ws://127.0.0.1:8750 or wss://...')
}

/** @throws TypeError */
export function urlsFrom(options: ConnectOptions): string[] {
  const urls = kdcList(options.kdc)
  if (urls.length === 0 && options.credential !== undefined) return urls
  if (urls.length === 0) {
    const keytab = options.keytab === undefined ? '' : ', or in the keytab: # kdc ws://127.0.0.1:8750'
    throw new TypeError(`name the KDC: connect({ kdc: 'ws://127.0.0.1:8750', ... })${keytab}`)
  }
  const plain = isPasswordLogin(options) && options.allowPasswordOverPlainWebSocket !== true
  for (const text of urls) {
    const url = URL.canParse(text) ? new URL(text) : undefined
    if (url === undefined || !/^wss?:$/.test(url.protocol) || url.hash !== '') {
      throw new TypeError(`not the URL of a KDC: ${JSON.stringify(shownUrl(text))}; ${betterUrl(text)}`)
    }
    if (plain && !isPrivateUrl(url)) {
      throw new TypeError(
        `a password is not used over ${shownUrl(text)}, where anybody who listens can guess it offline: use wss://, or allowPasswordOverPlainWebSocket: true`,
      )
    }
  }
  return urls
}

function betterUrl(text: string): string {
  const better = text.replace(/^http(?=s?:)/, 'ws').replace(/^(?!\w+:\/)(?=.)/, 'ws://')
  const isBetter = better !== text && /^wss?:/.test(better) && URL.canParse(better)
  return isBetter ? `write ${JSON.stringify(shownUrl(better))}` : 'write ws://127.0.0.1:8750 or wss://...'
}

/** The `services` option with normalised origins. @throws TypeError for a key that is not an origin */
export function originsFrom({ services = {} }: ConnectOptions): (readonly [origin: string, name: string])[] {
  return Object.entries(services).map(([text, name]) => {
    return [originIn('services', text), name]
  })
}

/** @throws TypeError */
export function originIn(option: string, text: unknown): string {
  const url = typeof text === 'string' && URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.href !== `${url.origin}/`) {
    const given = typeof text === 'string' ? JSON.stringify(shownUrl(text)) : shown(text)
    throw new TypeError(`${option} has ${given}, which is not an origin; write http://127.0.0.1:8080`)
  }
  // A URL may have this character in its host, but it would match no request.
  if (url.hostname.includes('*')) {
    throw new TypeError(`${option} takes no patterns: ${quoted(url.origin)}; name each origin by itself`)
  }
  return url.origin
}

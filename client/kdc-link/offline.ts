/** What a browser says of its network. `false` it is sure of; `true` says only that there is some network. */

export const OFFLINE = 'the browser is offline'
export const ONCE_ONLINE = 'try again once it is online, of which a page is told by the event online'

export function isOffline(): boolean {
  return 'navigator' in globalThis && globalThis.navigator.onLine === false
}

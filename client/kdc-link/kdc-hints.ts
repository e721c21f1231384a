/** What is said of a KDC that cannot be reached, whatever the platform says of it. */

export const CHECK =
  'check that it runs there, as with: orthrus kdc, and that the URL is right, as ws://127.0.0.1:8750'

/** It refuses the subprotocol of another version by a status whose text the platform does not show. */
export const MAYBE_OTHER_VERSION = {
  told: 'it refuses the handshake, as a KDC of another version does, or a server that is no KDC',
  hint: 'check the URL, and the version of the KDC: client and KDC need the same one',
} as const

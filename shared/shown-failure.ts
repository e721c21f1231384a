/** What an error of OpenSSL says, between the names of its own functions and files. */
const OPENSSL = /[0-9A-F]+:error:[0-9A-F]+:SSL routines:[^:]*:([^:]*):[^:]*:\d+:?\s*/g

/** The reason of a failed connection as a person can read it: of OpenSSL's text only what is wrong. */
export function shownFailure(reason: string): string {
  return reason.replace(OPENSSL, 'TLS: $1').trim()
}

/** Whether TLS was begun with something that does not speak it. */
export function isWithoutTls(reason: string): boolean {
  return /WRONG_VERSION_NUMBER|wrong version number|packet length too long/.test(reason)
}

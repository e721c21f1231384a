import type { RunningKdc } from '../../kdc/main.js'
import type { TlsIdentity } from '../../kdc/transport/tls.js'
import type { ListenAddress } from '../metrics/address.js'
import type { ConsoleListener } from './listener.js'

/** `--console` of `orthrus kdc`. */

export interface ConsoleArguments {
  readonly console?: ListenAddress
  readonly consoleHost?: readonly string[]
  readonly allowConsoleWithoutTls?: boolean
}

/** Serves the page before a KDC. @throws OrthrusError `unavailable` */
export type ServeConsole = (kdc: RunningKdc) => Promise<ConsoleListener>

/** @throws TypeError for an option about a console that is not served */
export function requireConsole(options: ConsoleArguments): void {
  const { console: place, consoleHost = [], allowConsoleWithoutTls = false } = options
  if (place !== undefined || (consoleHost.length === 0 && !allowConsoleWithoutTls)) return
  throw new TypeError(
    '--console-host and --allow-console-without-tls are about what --console HOST:PORT serves: give it too',
  )
}

/**
 * Loads what serves the page, if it is asked for, and refuses an address before the KDC starts.
 * @param taken ports that are the KDC's and the metrics'
 * @throws OrthrusError `unavailable`, TypeError for an option of the console alone
 */
export async function consoleFor(
  options: ConsoleArguments,
  tls: TlsIdentity | undefined,
  taken: readonly number[],
): Promise<ServeConsole | undefined> {
  requireConsole(options)
  const { console: place, consoleHost: hosts = [], allowConsoleWithoutTls = false } = options
  if (place === undefined) return undefined
  const { consoleAddress } = await import('./address.js')
  const { filesOfConsole, filesOfRealm } = await import('./files.js')
  const { startConsoleListener } = await import('./listener.js')
  const address = await consoleAddress(place, taken, {
    tls: tls !== undefined,
    allowed: allowConsoleWithoutTls,
  })
  const files = await filesOfConsole()
  return kdc => startConsoleListener(address, { kdc, files: filesOfRealm(files, kdc.realm), hosts, tls })
}

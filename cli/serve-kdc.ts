import { startKdc } from '../kdc/main.js'
import { toldSource } from '../kdc/vault/master-key-source.js'
import { settingsJson, settingsText } from './config/print.js'
import type { Configuration } from './config/resolve.js'
import { requireRealm } from './data-folder.js'
import { startKdcLog } from './kdc-log.js'
import { type MasterKeyArguments, masterKeyFor, masterKeySourceFor } from './master-key.js'
import { answer, type Terminal } from './terminal.js'

/** What `orthrus kdc` does with its settings. */

export interface KdcArguments extends MasterKeyArguments {
  readonly listen: { readonly host: string; readonly port: number }
  readonly allowOrigin?: string[]
  readonly trustedProxy?: string[]
  readonly logLevel: string
  readonly json?: boolean
}

/** Opens nothing: it can be asked anywhere, and tells no secret. */
export async function printSettings(
  terminal: Terminal,
  options: KdcArguments,
  { settings }: Configuration,
): Promise<void> {
  const source = await masterKeySourceFor(options, terminal.env)
  const printed = { settings, masterKey: { kind: source.kind, told: toldSource(source) } }
  answer(terminal, options, settingsJson(printed), settingsText(printed))
}

export async function serve(
  terminal: Terminal,
  options: KdcArguments,
  { limits }: Configuration,
): Promise<void> {
  await requireRealm(options.data)
  const masterKey = await masterKeyFor(options, terminal.env)
  const { logger, end } = startKdcLog(options.logLevel)
  const stopped = new Promise<void>(resolve => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve())
  })
  process.on('SIGHUP', signal => logger.warn({ signal }, 'the KDC goes on: SIGTERM ends it'))
  const kdc = await startKdc({
    dataDirectory: options.data,
    masterKey,
    listen: options.listen,
    allowedOrigins: options.allowOrigin ?? [],
    trustedProxies: options.trustedProxy ?? [],
    limits,
    logger,
  })
  answer(
    terminal,
    options,
    { realm: kdc.realm, url: kdc.url },
    `the KDC of ${kdc.realm} listens on ${kdc.url}`,
  )
  await stopped
  await kdc.close()
  masterKey.erase()
  await end()
}

import type { AuditSettings } from '../kdc/audit-settings.js'
import { type KdcSettings, startKdc } from '../kdc/main.js'
import type { Store } from '../kdc/store/store.js'
import type { MasterKeySource } from '../kdc/vault/master-key-source.js'
import type { MasterKeys } from '../kdc/vault/sealed-records.js'
import { exists } from '../shared/folder.node.js'
import { invalidFile, MASTER_KEY_FILE } from '../shared/keytab/private-file.js'
import type { Logger } from '../shared/logger.js'
import type { Configuration } from './config/resolve.js'
import { type ConsoleArguments, consoleFor } from './console/serve-console.js'
import { filesIn, requireRealm } from './data-folder.js'
import { given } from './given.js'
import { startKdcLog } from './kdc-log.js'
import { type MasterKeyArguments, masterKeySourceFor, masterKeysFrom } from './master-key.js'
import { type MetricsArguments, metricsFor } from './metrics/serve-metrics.js'
import { handedSocket, serviceManager } from './service-manager.js'
import { type EtcdPlace, etcdPlace, type StoreArguments } from './store-options.js'
import { answer, type Terminal } from './terminal.js'
import { forget, renewTls, tlsIdentity } from './tls-files.js'
import type { TlsArguments } from './tls-options.js'

/** What `orthrus kdc` does with its settings. */

export interface KdcArguments
  extends ConsoleArguments,
    MasterKeyArguments,
    MetricsArguments,
    StoreArguments,
    TlsArguments {
  readonly listen: { readonly host: string; readonly port: number } | 'systemd'
  readonly allowOrigin?: string[]
  readonly trustedProxy?: string[]
  readonly diskRoom: number
  readonly withoutAudit?: boolean
  readonly auditDirectory?: string
  readonly auditMaxAge: number
  readonly auditMaxSize: number
  readonly logLevel: string
  readonly json?: boolean
}

function auditOf({ auditDirectory, auditMaxAge, auditMaxSize, data }: KdcArguments): AuditSettings {
  return { maxAge: auditMaxAge, maxBytes: auditMaxSize, directory: auditDirectory ?? filesIn(data).audit }
}

/** On etcd this KDC is one of several. */
async function sharedStore(
  { env }: Terminal,
  options: KdcArguments,
  place: EtcdPlace,
  keys: MasterKeys,
): Promise<Store> {
  const { etcdAt } = await import('./etcd-store.js')
  const { joinEtcdStore } = await import('../kdc/store/etcd/store.js')
  const etcd = await etcdAt(place, options, env)
  const { toldKeys } = await import('../kdc/vault/shared-keys.js')
  return await joinEtcdStore({ etcd, prefix: place.prefix, told: toldKeys(keys) })
}

export async function serve(
  terminal: Terminal,
  options: KdcArguments,
  { limits }: Configuration,
): Promise<void> {
  const onEtcd = await etcdPlace(options, terminal.env)
  if (onEtcd === undefined) await requireRealm(options.data)
  const { listen } = options
  const place = listen === 'systemd' ? { fd: handedSocket(terminal.env, process.pid) } : listen
  const metrics = await metricsFor(options, 'port' in place ? place.port : 0)
  const tls = await tlsIdentity(options)
  const page = await consoleFor(options, tls, takenBy(options))
  const source = await masterKeySourceFor(options, terminal.env)
  if (onEtcd !== undefined) await requireKeyOnEtcd(source, onEtcd)
  const keys = await masterKeysFrom(source, options, terminal.env)
  const { logger, end } = startKdcLog(options.logLevel)
  const stopped = new Promise<undefined>(resolve => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve(undefined))
  })
  const onHangUp = watchHangUps(logger)
  const kdc = await startKdc({
    ...(onEtcd === undefined
      ? {
          dataDirectory: options.data,
          masterKey: keys.current,
          ...(keys.file === undefined ? {} : { masterKeyFile: keys.file }),
        }
      : { store: await sharedStore(terminal, options, onEtcd, keys), masterKey: keys.current }),
    previousMasterKey: keys.previous,
    ...rereading(source, options, terminal.env),
    listen: place,
    allowedOrigins: options.allowOrigin ?? [],
    trustedProxies: options.trustedProxy ?? [],
    limits,
    metrics: metrics !== undefined,
    diskRoom: options.diskRoom,
    audit: options.withoutAudit !== true && auditOf(options),
    logger,
    ...given({ tls }),
  })
  const manager = serviceManager(terminal.env, process.pid, logger)
  const giveUp = async (cause: unknown): Promise<never> => {
    manager.close()
    await kdc.close()
    throw cause
  }
  const watched = await metrics?.(kdc, logger).catch(giveUp)
  const served = await page?.(kdc).catch(giveUp)
  if (tls !== undefined) {
    forget(tls)
    onHangUp(() => renewTls([kdc, ...(served === undefined ? [] : [served])], options, logger))
  }
  const shown = watched === undefined ? '' : `, and shows metrics on ${watched.url}`
  const paged = served === undefined ? '' : `, and serves the console on ${served.url}`
  answer(
    terminal,
    options,
    { realm: kdc.realm, url: kdc.url, ...given({ metrics: watched?.url, console: served?.url }) },
    `the KDC of ${kdc.realm} listens on ${kdc.url}${shown}${paged}`,
  )
  await manager.tell('READY=1', `STATUS=${kdc.realm} on ${kdc.url}`)
  const damage = await Promise.race([stopped, kdc.damaged])
  manager.close()
  await Promise.all([manager.tell('STOPPING=1'), kdc.close(), served?.close()])
  await watched?.close()
  keys.erase()
  await end()
  if (damage !== undefined) throw damage
}

/**
 * Where there is no key, the realm may not be made yet, or be made on another machine: etcd has no folder that shows which.
 * @throws OrthrusError `keytab_invalid`
 */
async function requireKeyOnEtcd(source: MasterKeySource, { url }: EtcdPlace): Promise<void> {
  if (source.kind !== 'file' || (await exists(source.path))) return
  throw invalidFile(
    MASTER_KEY_FILE,
    source.path,
    'does not exist',
    `to make a realm there, run once: orthrus init REALM --store ${url}; if it is made, copy the master key from where another KDC of it has its own`,
  )
}

/** Ports that the console cannot have. */
function takenBy({ listen, metrics }: KdcArguments): number[] {
  return [listen === 'systemd' ? 0 : listen.port, metrics?.port ?? 0]
}

/**
 * SIGHUP never ends the KDC, not even while it starts.
 * @returns takes what SIGHUP does from now on: one after the other, so that what was read last counts
 */
function watchHangUps(logger: Logger): (renew: () => Promise<void>) => void {
  let renew: (() => Promise<void>) | undefined
  let last = Promise.resolve()
  process.on('SIGHUP', signal => {
    if (renew === undefined) logger.warn({ signal }, 'the KDC goes on: SIGTERM ends it')
    else last = last.then(renew)
  })
  return chosen => {
    renew = chosen
  }
}

/** A file can be looked at again. What a command or a variable handed over need not be there any more. */
function rereading(
  source: MasterKeySource,
  options: KdcArguments,
  env: Terminal['env'],
): Pick<KdcSettings, 'rereadMasterKey'> {
  if (source.kind !== 'file' && source.kind !== 'credential') return {}
  return { rereadMasterKey: () => masterKeysFrom(source, options, env) }
}

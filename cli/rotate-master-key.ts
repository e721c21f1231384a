import { join } from 'node:path'
import { Command } from 'commander'
import type { RotationStep } from '../shared/administration/master-key.js'
import { OrthrusError } from '../shared/errors.js'
import { type ConnectionOptions, withAdminConnection } from './connection.js'
import { isThere, requireRealm } from './data-folder.js'
import { DEFAULT_DATA } from './defaults.js'
import { addMasterKeyOptions, type MasterKeyArguments, masterKeysFor } from './master-key.js'
import { withRunningKdc } from './running-kdc.js'
import { addStoreOptions, type EtcdPlace, etcdPlace, type StoreArguments } from './store-options.js'
import { answer, type Terminal } from './terminal.js'

interface RotateOptions extends ConnectionOptions, StoreArguments, Omit<MasterKeyArguments, 'data'> {
  readonly data?: string
  readonly auditDirectory?: string
}

/** `orthrus master-key`: what becomes of the key that seals the database. */
export function masterKeyCommand(terminal: Terminal): Command {
  return new Command('master-key')
    .description('change the master key of a realm')
    .addCommand(rotateCommand(terminal))
}

function rotateCommand(terminal: Terminal): Command {
  const command = withAdminConnection(new Command('rotate'))
    .description(
      'seal every record under a new master key, while the KDC runs; run it again if it was interrupted',
    )
    .option('--data <dir>', 'the data folder, if no KDC is running; otherwise the running KDC is asked')
    .option(
      '--audit-directory <dir>',
      'with --data: the folder of the audit log, if not audit in the data folder; its key is sealed again too',
    )
  return addStoreOptions(addMasterKeyOptions(command)).action((options: RotateOptions) =>
    rotate(terminal, options),
  )
}

async function rotate(terminal: Terminal, options: RotateOptions): Promise<void> {
  const { data, auditDirectory } = options
  const place = options.store === undefined ? undefined : await etcdPlace(options, terminal.env)
  if (place === undefined && data === undefined && auditDirectory !== undefined)
    throw new TypeError('--audit-directory goes with --data: a KDC that runs knows where its audit log is')
  const { sealed, kept } =
    place !== undefined
      ? await onEtcd(terminal, { ...options, data: data ?? DEFAULT_DATA }, place)
      : data === undefined
        ? await withRunningKdc(terminal, options, administration => last(administration.rotateMasterKey()))
        : await offline(terminal, { ...options, data })
  const text = [
    `the realm has a new master key; ${sealed} records were sealed under it, and the old tables are gone`,
    ...(kept === null
      ? [
          'the key before opens nothing in the database any more: start the KDC without --previous-master-key-file',
        ]
      : [`the key before is ${kept}, on the machine of the KDC; nothing in the database opens with it`]),
    'backups from before open only with the key before: make a new one (orthrus backup FILE), then destroy both',
    ...(kept === null ? [] : ['keep a copy of the new key apart from the backups']),
  ]
  answer(terminal, options, { sealed, kept }, text.join('\n'))
}

/** Each KDC has its own copy of the key, so its owner changes it there: first all have both keys, then this is run. */
async function onEtcd(
  terminal: Terminal,
  options: MasterKeyArguments & RotateOptions & { readonly data: string },
  place: EtcdPlace,
): Promise<{ readonly sealed: number; readonly kept: string | null }> {
  const { data, auditDirectory } = options
  if (auditDirectory !== undefined) await requireLog(auditDirectory)
  const { rotateStore } = await import('./data-rotation.js')
  const { etcdAt } = await import('./etcd-store.js')
  const { liveReplicas } = await import('../kdc/store/etcd/place.js')
  const { createEtcdStore } = await import('../kdc/store/etcd/store.js')
  const { requireSealedByAll } = await import('../kdc/vault/shared-keys.js')
  const keys = await masterKeysFor(options, terminal.env)
  try {
    const etcd = await etcdAt(place, options, terminal.env)
    const store = createEtcdStore({ etcd, prefix: place.prefix })
    try {
      requireSealedByAll(keys, await liveReplicas(etcd, place.prefix))
      return await last(rotateStore(store, data, auditDirectory, { ...keys, file: undefined }))
    } finally {
      await store.close()
    }
  } finally {
    keys.erase()
  }
}

async function offline(
  terminal: Terminal,
  options: MasterKeyArguments & Pick<RotateOptions, 'auditDirectory'>,
): Promise<{ readonly sealed: number; readonly kept: string | null }> {
  const { data, auditDirectory } = options
  await requireRealm(data)
  if (auditDirectory !== undefined) await requireLog(auditDirectory)
  const { rotateFolder } = await import('./data-rotation.js')
  const keys = await masterKeysFor(options, terminal.env)
  try {
    return await last(rotateFolder(data, auditDirectory, keys))
  } finally {
    keys.erase()
  }
}

/** A misspelt folder would leave the key of the log under the key before. */
async function requireLog(directory: string): Promise<void> {
  const { AUDIT_FILES } = await import('../kdc/report/audit/files.js')
  const path = join(directory, AUDIT_FILES.KEY)
  if (await isThere(path)) return
  throw new OrthrusError('unavailable', `there is no audit log in ${directory}: ${path} does not exist`, {
    final: true,
    hint: 'name the folder that orthrus kdc --audit-directory names',
  })
}

async function last(
  steps: AsyncIterable<RotationStep>,
): Promise<{ readonly sealed: number; readonly kept: string | null }> {
  let sealed = 0
  let kept: string | null = null
  for await (const step of steps) {
    sealed += step.sealed
    kept = step.kept
  }
  return { sealed, kept }
}

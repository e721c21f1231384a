import { createEtcd, type EtcdOptions } from '../kdc/store/etcd/client/client.js'
import type { Etcd } from '../kdc/store/etcd/etcd.js'
import { createEtcdStore } from '../kdc/store/etcd/store.js'
import type { Store } from '../kdc/store/store.js'
import { OrthrusError } from '../shared/errors.js'
import { codeOf } from '../shared/folder.node.js'
import type { PrivateFileKind } from '../shared/keytab/private-file.js'
import { readPrivateFile } from '../shared/keytab/private-file.node.js'
import { readBounded } from './bounded-input.js'
import { type EtcdPlace, type StoreArguments, withVariables } from './store-options.js'
import type { Terminal } from './terminal.js'

/** Connects to etcd, with what the options, the variables and their files say. */

export const PASSWORD_VARIABLE = 'ORTHRUS_ETCD_PASSWORD'

const CERTIFICATES = { max: 1024 * 1024, because: 'these are certificates' }

const KEY_FILE: PrivateFileKind = {
  name: 'key of etcd',
  wayOut: { flag: '--allow-readable-etcd-secrets' },
  hintIfMissing: 'name the file that your authority made for --etcd-cert',
  hintIfTaken: 'name another file',
  sizeMax: 64 * 1024,
}

const PASSWORD_FILE: PrivateFileKind = {
  ...KEY_FILE,
  name: 'password of etcd',
  hintIfMissing: 'name a file that has the password of --etcd-user as its only line',
  sizeMax: 4 * 1024,
}

/** A store for a command, which keeps nothing in memory. @throws as `etcdAt` */
export async function storeAt(
  place: EtcdPlace,
  options: StoreArguments,
  env: Terminal['env'],
): Promise<Store> {
  return createEtcdStore({ etcd: await etcdAt(place, options, env), prefix: place.prefix })
}

/** @throws TypeError for options that do not go together, OrthrusError if a file cannot be read */
export async function etcdAt(place: EtcdPlace, given: StoreArguments, env: Terminal['env']): Promise<Etcd> {
  const options = withVariables(given, env)
  const { endpoints, isExposed } = place
  if (isExposed && options.allowEtcdWithoutTls !== true) {
    throw new TypeError(
      'etcd:// is without TLS: whoever is between could hold back changes, revocations too. Write etcds://, or add --allow-etcd-without-tls',
    )
  }
  const isTls = endpoints.every(url => url.startsWith('https:'))
  if (!isTls && [options.etcdCa, options.etcdCert, options.etcdKey].some(file => file !== undefined))
    throw new TypeError('--etcd-ca, --etcd-cert and --etcd-key go with etcds://')
  const user = await userOf(options, env)
  return createEtcd({ endpoints, tls: await tlsOf(options), user })
}

async function tlsOf(options: StoreArguments): Promise<NonNullable<EtcdOptions['tls']>> {
  const { etcdCa, etcdCert, etcdKey } = options
  const isHalf = etcdCert === undefined ? etcdKey !== undefined : etcdKey === undefined
  if (isHalf) throw new TypeError('a certificate for etcd needs both --etcd-cert FILE and --etcd-key FILE')
  return {
    ...(etcdCa !== undefined && { ca: await readCertificates('--etcd-ca', etcdCa) }),
    ...(etcdCert !== undefined && { cert: await readCertificates('--etcd-cert', etcdCert) }),
    ...(etcdKey !== undefined && { key: await readSecret(KEY_FILE, etcdKey, options) }),
  }
}

async function userOf(options: StoreArguments, env: Terminal['env']): Promise<EtcdOptions['user']> {
  const { etcdUser: name, etcdPasswordFile: file } = options
  const variable = env[PASSWORD_VARIABLE]
  // Programs that this one starts do not get it.
  if (env === process.env) delete process.env[PASSWORD_VARIABLE]
  const hasVariable = variable !== undefined && variable !== ''
  if (name === undefined) {
    if (file !== undefined || hasVariable) throw new TypeError('a password for etcd needs --etcd-user')
    return undefined
  }
  if (file !== undefined && hasVariable)
    throw new TypeError(`the password is in ${PASSWORD_VARIABLE} and in --etcd-password-file: leave one out`)
  const password = hasVariable ? variable : file && (await readSecret(PASSWORD_FILE, file, options))
  if (!password)
    throw new TypeError(`--etcd-user needs its password in ${PASSWORD_VARIABLE} or --etcd-password-file`)
  return { name, password: password.replace(/\r?\n$/, '') }
}

async function readSecret(kind: PrivateFileKind, path: string, options: StoreArguments): Promise<string> {
  const allowReadable = options.allowReadableEtcdSecrets === true
  return await readPrivateFile(kind, path, { allowReadable })
}

async function readCertificates(flag: string, path: string): Promise<string> {
  try {
    return Buffer.from(await readBounded(path, CERTIFICATES)).toString('latin1')
  } catch (cause) {
    if (cause instanceof TypeError) throw cause
    throw new OrthrusError('unavailable', `${path} cannot be read: ${codeOf(cause)}`, {
      final: true,
      cause,
      hint: `check the file of ${flag}, and the folders above it`,
    })
  }
}

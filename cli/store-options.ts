import { type Command, InvalidArgumentError } from 'commander'
import type { EtcdAddress } from '../kdc/store/etcd/address.js'
import type { RealmName } from '../shared/principal.js'
import { hasSecret } from '../shared/shown-text.js'
import type { Terminal } from './terminal.js'

/** Where the realm is stored, for every command that can open it on etcd. What connects is loaded when it is needed. */

export interface StoreArguments extends EtcdArguments {
  readonly store?: string
}

/** How etcd is reached. */
export interface EtcdArguments {
  readonly etcdCa?: string
  readonly etcdCert?: string
  readonly etcdKey?: string
  readonly etcdUser?: string
  readonly etcdPasswordFile?: string
  readonly allowReadableEtcdSecrets?: boolean
  readonly allowEtcdWithoutTls?: boolean
}

export function addStoreOptions(command: Command): Command {
  return addEtcdOptions(
    command.option(
      '--store <url>',
      'the realm on etcd: etcds://HOST:PORT,HOST:PORT/orthrus/REALM',
      parseStore,
    ),
  )
}

export function addEtcdOptions(command: Command): Command {
  return command
    .option(
      '--etcd-ca <file>',
      'with etcds: the certificates of the authority of etcd, if not one of the system, PEM',
    )
    .option('--etcd-cert <file>', 'the certificate that is shown to etcd, PEM')
    .option('--etcd-key <file>', 'the key of --etcd-cert, PEM')
    .option(
      '--etcd-user <name>',
      'who logs in to etcd; the password is in ORTHRUS_ETCD_PASSWORD, or in a file',
    )
    .option('--etcd-password-file <file>', 'the password of --etcd-user')
    .option(
      '--allow-readable-etcd-secrets',
      'accept an --etcd-key and --etcd-password-file that others can read',
    )
    .option(
      '--allow-etcd-without-tls',
      'talk in clear to an etcd on another machine: whoever is between can hold back changes, revocations too',
    )
}

function parseStore(text: string): string {
  if (hasSecret(text) || text.includes('@'))
    throw new InvalidArgumentError('Write it without user and password: --etcd-user, ORTHRUS_ETCD_PASSWORD.')
  if (!/^etcds?:\/\//.test(text))
    throw new InvalidArgumentError('Write etcds://HOST:PORT/orthrus/REALM; for a data folder leave it out.')
  return text
}

const VARIABLES = [
  ['store', 'ORTHRUS_STORE'],
  ['etcdCa', 'ORTHRUS_ETCD_CA'],
  ['etcdCert', 'ORTHRUS_ETCD_CERT'],
  ['etcdKey', 'ORTHRUS_ETCD_KEY'],
  ['etcdUser', 'ORTHRUS_ETCD_USER'],
  ['etcdPasswordFile', 'ORTHRUS_ETCD_PASSWORD_FILE'],
] as const satisfies readonly (readonly [keyof StoreArguments, string])[]

/** A variable counts where its option is not given. An empty one counts as not set, as everywhere. */
export function withVariables(options: StoreArguments, env: Terminal['env']): StoreArguments {
  const found = { ...options }
  for (const [name, variable] of VARIABLES) {
    const text = env[variable]
    if (found[name] === undefined && text !== undefined && text !== '') Object.assign(found, { [name]: text })
  }
  return found
}

/** Where on etcd the realm is. */
export type EtcdPlace = EtcdAddress & { readonly prefix: string; readonly url: string }

/**
 * @param realm which is to be made, if the URL need not name its place
 * @returns `undefined` if the realm is in a data folder
 * @throws OrthrusError `malformed`, TypeError
 */
export async function etcdPlace(
  options: StoreArguments,
  env: Terminal['env'],
  realm?: RealmName,
): Promise<EtcdPlace | undefined> {
  const { store: url } = withVariables(options, env)
  if (url === undefined) return undefined
  const { parseEtcdUrl } = await import('../kdc/store/etcd/address.js')
  const address = parseEtcdUrl(url)
  const { prefix } = address
  if (prefix !== undefined) return { ...address, prefix, url }
  const place = `${url.replace(/\/$/, '')}/orthrus/${realm ?? 'REALM'}`
  if (realm === undefined) throw new TypeError(`--store names the place of the realm too: ${place}`)
  return { ...address, prefix: `/orthrus/${realm}/`, url: place }
}

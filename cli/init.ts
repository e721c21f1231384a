import { Command } from 'commander'
import type { MasterKey } from '../kdc/vault/master-key.js'
import type { MasterKeySource } from '../kdc/vault/master-key-source.js'
import { OrthrusError } from '../shared/errors.js'
import { codeOf, createFolder } from '../shared/folder.node.js'
import { parseRealm, type RealmName, realmOf } from '../shared/principal.js'
import { defaulted } from './arguments.js'
import { filesIn, isThere, requireNoRealm } from './data-folder.js'
import { DEFAULT_DATA } from './defaults.js'
import {
  addMasterKeyOptions,
  type MasterKeyArguments,
  masterKeyFrom,
  masterKeySourceFor,
} from './master-key.js'
import { addStoreOptions, type EtcdPlace, etcdPlace, type StoreArguments } from './store-options.js'
import { answer, type Terminal } from './terminal.js'

interface InitOptions extends MasterKeyArguments, StoreArguments {
  readonly json?: boolean
}

/** `orthrus init`: the only command that opens the database itself. */
export function initCommand(terminal: Terminal): Command {
  const command = new Command('init')
    .description('make a realm: its database, master.key, and admin.keytab')
    .argument('<realm>', 'its name, as demo.example')
    .addOption(defaulted('--data <dir>', 'where to make it', DEFAULT_DATA))
  return addStoreOptions(addMasterKeyOptions(command))
    .option('--json', 'answer in JSON')
    .action((realm: string, options: InitOptions) => init(terminal, realm, options))
}

async function init(terminal: Terminal, name: string, options: InitOptions): Promise<void> {
  const realm = parseRealm(name)
  const { data } = options
  const source = await masterKeySourceFor(options, terminal.env)
  const { masterKey: usualFile, ...files } = filesIn(data)
  const isElsewhere = source.kind !== 'file' || source.path !== usualFile
  const place = await etcdPlace(options, terminal.env, realm)
  if (place !== undefined) {
    await requireNoRealm(data, isElsewhere)
    const key = isElsewhere ? await keyFrom(source, terminal.env) : undefined
    await explained(data, () => makeOnEtcd(terminal, options, place, realm, key))
  } else if (!(await explained(data, () => prepare(data, realm)))) {
    await requireNoRealm(data, isElsewhere)
    const key = isElsewhere ? await keyFrom(source, terminal.env) : undefined
    await explained(data, () => make(data, realm, key))
  }
  const { toldSource } = await import('../kdc/vault/master-key-source.js')
  const keyPlace = isElsewhere ? toldSource(source) : usualFile
  const next = data === DEFAULT_DATA ? 'orthrus kdc' : `orthrus kdc --data ${data}`
  const text = [
    `made the realm ${realm} ${place === undefined ? `in ${data}` : `at ${place.url}`}`,
    `  ${keyPlace}  opens the database: keep it secret, back it up apart from ${place === undefined ? 'db/' : 'etcd'}`,
    `  ${files.adminKeytab}  is the key of admin@${realm}: keep it secret`,
    `next: ${next}${place === undefined ? '' : ` --store ${place.url}`}${isElsewhere ? ', with the same master key' : ''}`,
    ...(place === undefined
      ? []
      : ['  and the same on other machines, each with its own copy of the master key']),
  ]
  const { database, ...others } = files
  const told = place === undefined ? { database, ...others } : { store: place.url, ...others }
  answer(terminal, options, { realm, data, masterKey: keyPlace, ...told }, text.join('\n'))
}

async function makeOnEtcd(
  { env }: Terminal,
  options: InitOptions,
  place: EtcdPlace,
  realm: RealmName,
  elsewhere: MasterKey | undefined,
): Promise<void> {
  const { storeAt } = await import('./etcd-store.js')
  const { makeRealmOnEtcd } = await import('./make-realm-on-etcd.js')
  const store = await storeAt(place, options, env)
  try {
    await createFolder(options.data)
    await makeRealmOnEtcd({ store, place: place.url, realm, files: filesIn(options.data), elsewhere })
  } finally {
    await store.close()
  }
}

/** A file that is named and not there yet is made. */
async function keyFrom(source: MasterKeySource, env: Terminal['env']): Promise<MasterKey> {
  if (source.kind !== 'file' || (await isThere(source.path))) return await masterKeyFrom(source, env)
  const { createMasterKey } = await import('../kdc/vault/master-key.js')
  const { systemRandom } = await import('../shared/crypto/random.js')
  return await createMasterKey(source.path, systemRandom)
}

/**
 * Finds in the folder the realm that an interrupted `orthrus init` began.
 * @returns whether it is this one
 */
async function prepare(data: string, realm: RealmName): Promise<boolean> {
  await createFolder(data)
  // Checked first, so that a folder that may not be entered is reported as that.
  await isThere(filesIn(data).database)
  const { finishRealm } = await import('./make-realm.js')
  if (!(await finishRealm(data))) return false
  const { adminKeytab } = filesIn(data)
  const { parseKeytab } = await import('../shared/keytab/keytab.js')
  const { readKeytabFile } = await import('../shared/keytab/keytab-file.node.js')
  const [admin] = parseKeytab(await readKeytabFile(adminKeytab), adminKeytab)
  return admin !== undefined && realmOf(admin.principal) === realm
}

async function make(data: string, realm: RealmName, elsewhere: MasterKey | undefined): Promise<void> {
  const requireNone = (): Promise<void> => requireNoRealm(data, elsewhere !== undefined)
  await requireNone()
  const { makeRealm } = await import('./make-realm.js')
  try {
    if (await makeRealm(data, realm, elsewhere)) return
  } catch (cause) {
    // Another process made a realm meanwhile, and has removed what this one was making.
    if (await isThere(filesIn(data).database)) await requireNone()
    throw cause
  }
  throw new OrthrusError('unavailable', `${data} has a realm already`, {
    final: true,
    hint: 'another orthrus init made it at the same time',
  })
}

/** Adds to a system error what the command was doing. */
async function explained<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof OrthrusError || cause instanceof TypeError) throw cause
    throw new OrthrusError('unavailable', `no realm can be made in ${folder}: ${codeOf(cause)}`, {
      final: true,
      cause,
      hint: 'check that folders can be made there, and who may write there; or name another with --data',
    })
  }
}

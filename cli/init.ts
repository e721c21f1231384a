import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Command } from 'commander'
import { DATA_FILES } from '../kdc/main.js'
import { createRealm } from '../kdc/realm/create-realm.js'
import { openLevelStore } from '../kdc/store/level/store.js'
import { createMasterKey, type MasterKey } from '../kdc/vault/master-key.js'
import { Vault } from '../kdc/vault/vault.js'
import { systemRandom } from '../shared/crypto/random.js'
import { OrthrusError } from '../shared/errors.js'
import { createFolder } from '../shared/folder.node.js'
import type { KeytabEntry } from '../shared/keytab/keytab.js'
import { parseRealm } from '../shared/principal.js'
import { systemClock } from '../shared/time.js'
import { defaulted } from './arguments.js'
import { DEFAULT_DATA } from './defaults.js'
import { writeKeytab } from './keytab-output.js'
import { answer, type Terminal } from './terminal.js'

interface InitOptions {
  readonly data: string
  readonly json?: boolean
}

interface DataFiles {
  readonly database: string
  readonly masterKey: string
  readonly adminKeytab: string
}

function filesIn(folder: string): DataFiles {
  return {
    database: join(folder, DATA_FILES.DATABASE),
    masterKey: join(folder, DATA_FILES.MASTER_KEY),
    adminKeytab: join(folder, DATA_FILES.ADMIN_KEYTAB),
  }
}

/** `orthrus init`: the only command that opens the database itself. */
export function initCommand(terminal: Terminal): Command {
  return new Command('init')
    .description('make a realm: its database, master.key, and admin.keytab')
    .argument('<realm>', 'its name, as demo.example')
    .addOption(defaulted('--data <dir>', 'where to make it', DEFAULT_DATA))
    .option('--json', 'answer in JSON')
    .action((realm: string, options: InitOptions) => init(terminal, realm, options))
}

async function init(terminal: Terminal, name: string, options: InitOptions): Promise<void> {
  const realm = parseRealm(name)
  const files = filesIn(options.data)
  requireNoRealm(options.data, files)
  await createFolder(options.data)
  const masterKey = await claim(options.data, files)
  try {
    const admin = await makeRealm(realm, masterKey, files.database)
    await writeKeytab(files.adminKeytab, [admin])
  } catch (cause) {
    // Half a realm is of no use, and would be in the way of the next attempt, which may begin once the key is gone.
    for (const path of [files.adminKeytab, files.database, files.masterKey]) {
      await rm(path, { recursive: true, force: true })
    }
    throw cause
  }
  const next = options.data === DEFAULT_DATA ? 'orthrus kdc' : `orthrus kdc --data ${options.data}`
  const text = [
    `made the realm ${realm} in ${options.data}`,
    `  ${files.masterKey}  opens the database: keep it secret, back it up apart from db/`,
    `  ${files.adminKeytab}  is the key of admin@${realm}: keep it secret`,
    `next: ${next}`,
  ]
  answer(terminal, options, { realm, data: options.data, ...files }, text.join('\n'))
}

function requireNoRealm(folder: string, files: DataFiles): void {
  const there = Object.values(files).find(path => existsSync(path))
  if (there === undefined) return
  const elsewhere = 'name another folder with --data'
  // It is written last; but a realm whose keytab was taken elsewhere has none here either.
  const [what, hint] = existsSync(files.adminKeytab)
    ? ['a realm already', elsewhere]
    : [
        'a realm already, or what an init that did not end has left',
        `${elsewhere}; if an init did not end here, remove ${folder} first`,
      ]
  throw new OrthrusError('unavailable', `${folder} has ${what}: ${there} exists`, { final: true, hint })
}

/** Of several that make a realm here at once the one whose master key it is goes on: what is here is its own. */
async function claim(folder: string, files: DataFiles): Promise<MasterKey> {
  try {
    return await createMasterKey(files.masterKey, systemRandom)
  } catch (cause) {
    requireNoRealm(folder, files)
    throw cause
  }
}

async function makeRealm(realm: string, masterKey: MasterKey, database: string): Promise<KeytabEntry> {
  const store = await openLevelStore(database, { create: true })
  const vault = new Vault(store, masterKey, systemRandom)
  try {
    return await createRealm({ vault, realm, clock: systemClock, random: systemRandom })
  } finally {
    await vault.close()
  }
}

import type { Stats } from 'node:fs'
import { lstat, readdir, rmdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { toHex } from '../../shared/bytes.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { OrthrusError } from '../../shared/errors.js'
import { codeOf, createFolder, exists } from '../../shared/folder.node.js'
import { type KeytabDisk, systemDisk } from '../../shared/keytab/keytab-disk.node.js'
import { type KeytabLock, type LockOptions, lockKeytab } from '../../shared/keytab/keytab-lock.node.js'
import { invalidFile, LOGIN_FILE } from '../../shared/keytab/private-file.js'
import { readPrivateVersion } from '../../shared/keytab/private-file.node.js'
import { removeAllTemporary } from '../../shared/keytab/unfinished-files.node.js'
import { isPrincipal, isRealm, localPart, type Principal, realmOf } from '../../shared/principal.js'
import { type Clock, HOUR, systemClock } from '../../shared/time.js'
import { systemTimers, type Timers } from '../../shared/timers.js'
import { formatLogin, type KeptLogin, parseLogin } from './kept-login.js'
import type { LoginFiles } from './kept-source.js'
import { isFolderThere, requireOwnFolder } from './login-folder.node.js'
import {
  isSealedLogin,
  keyNameOf,
  openSealedLogin,
  parseSealedLogin,
  type SealedLogin,
  sealLogin,
} from './sealed-login.js'
import { type SessionKeys, systemSessionKeys } from './session-keys.node.js'

/** A login is locked, read and replaced as a keytab is whose key changes. */
const read: KeytabDisk['read'] = path => readPrivateVersion(LOGIN_FILE, path)

const ENDING = '.login'

/** How much longer than the login its key is kept, milliseconds: clocks differ. */
const KEY_MARGIN = HOUR

export interface LoginFolderOptions {
  /** The keys that seal logins. Default: those that the kernel of this machine keeps, where it keeps some. */
  readonly keys?: SessionKeys
  readonly clock?: Clock
  readonly timers?: Timers
  readonly disk?: KeytabDisk
}

/** The logins of one folder: a folder for each realm, with a file for each login. */
export class LoginFolder implements LoginFiles {
  readonly folder: string
  readonly #lock: LockOptions
  readonly #keys: Promise<SessionKeys>
  /** Of the logins that were opened, by the names of their keys. */
  readonly #known = new Map<string, Uint8Array>()

  constructor(folder: string, options: LoginFolderOptions = {}) {
    const { clock = systemClock, timers = systemTimers, disk = systemDisk } = options
    this.folder = folder
    this.#keys = options.keys === undefined ? systemSessionKeys() : Promise.resolve(options.keys)
    this.#lock = { clock, timers, disk: { ...disk, read }, kind: LOGIN_FILE }
  }

  /** `web/1@demo.example` is in `demo.example/web~1.login`: no name has a `~`. */
  pathOf(client: Principal): string {
    return join(this.#realmFolder(client), `${localPart(client).replace('/', '~')}${ENDING}`)
  }

  /** Whose logins there are, whether they can still be used or not, by name. @throws OrthrusError `login_invalid` */
  async list(): Promise<Principal[]> {
    if (!(await isFolderThere(this.folder))) return []
    await requireOwnFolder(this.folder)
    const realms = (await readdir(this.folder)).filter(isRealm)
    const found = await Promise.all(realms.map(realm => this.#listIn(realm)))
    return found.flat().sort()
  }

  async #listIn(realm: string): Promise<Principal[]> {
    const names = await readdir(join(this.folder, realm)).catch(() => [])
    return names
      .filter(name => name.endsWith(ENDING))
      .map(name => `${name.slice(0, -ENDING.length).replace('~', '/')}@${realm}`)
      .filter(isPrincipal)
  }

  /** @throws OrthrusError `login_invalid` if there is none, or it is not private, damaged or somebody else's */
  async read(client: Principal): Promise<KeptLogin> {
    const path = this.pathOf(client)
    if (await exists(path)) await this.#requireFolders(client)
    const { text } = await readPrivateVersion(LOGIN_FILE, path)
    return this.#parse(text, client)
  }

  /** Whether the login is of no use without the key of a session. @throws OrthrusError `login_invalid` as `read` does */
  async isSealed(client: Principal): Promise<boolean> {
    return isSealedLogin((await readPrivateVersion(LOGIN_FILE, this.pathOf(client))).text)
  }

  async #parse(text: string, client: Principal): Promise<KeptLogin> {
    const path = this.pathOf(client)
    const login = parseLogin(isSealedLogin(text) ? await this.#open(text, path) : text, path)
    if (login.client === client) return login
    throw invalidFile(
      LOGIN_FILE,
      path,
      `is that of ${login.client}`,
      'it was renamed: give it its name again, or remove it',
    )
  }

  async #open(text: string, path: string): Promise<string> {
    const sealed = parseSealedLogin(text, path)
    return openSealedLogin(sealed, await this.#keyOf(sealed, path), path)
  }

  async #keyOf(sealed: SealedLogin, path: string): Promise<Uint8Array> {
    const name = keyNameOf(sealed)
    const key = this.#known.get(name) ?? (await (await this.#keys).find(name))
    if (key === undefined) throw withoutKey(sealed.client, path)
    this.#known.set(name, key)
    return key
  }

  /** The text of a file in the place of another one, which was sealed or not. */
  async #like(before: string, login: KeptLogin): Promise<string> {
    const text = formatLogin(login)
    if (!isSealedLogin(before)) return text
    const path = this.pathOf(login.client)
    const sealed = parseSealedLogin(before, path)
    return sealLogin(text, sealed, await this.#keyOf(sealed, path), systemRandom)
  }

  /** Under a key that is drawn for it. @returns the text as it is where this machine keeps no keys */
  async #sealed(login: KeptLogin): Promise<string> {
    const { client, tgt } = login
    const text = formatLogin(login)
    const about = { client, keyId: toHex(systemRandom(16)) }
    const end = Math.max(tgt.endTime, tgt.renewTill ?? 0)
    const lifetime = Math.max(end - this.#lock.clock.now(), 0) + KEY_MARGIN
    const key = await (await this.#keys).make(keyNameOf(about), lifetime)
    return key === undefined ? text : sealLogin(text, about, key, systemRandom)
  }

  /** Of the login that was there before; whatever else was there had none. */
  async #eraseKey(text: string | undefined, path: string): Promise<void> {
    if (text === undefined || !isSealedLogin(text)) return
    try {
      await (await this.#keys).erase(keyNameOf(parseSealedLogin(text, path)))
    } catch (cause) {
      if (!(cause instanceof OrthrusError)) throw cause
    }
  }

  /** @returns `undefined` if there is none that may be read */
  async #textOf(client: Principal): Promise<string | undefined> {
    const read = await readPrivateVersion(LOGIN_FILE, this.pathOf(client)).catch(() => undefined)
    return read?.text
  }

  /**
   * Puts the login in the place of whatever was there, sealed by a key of the session where there are such keys.
   * @param seal false for one that jobs without a session use too
   * @throws OrthrusError `login_invalid` if it cannot be written; `unavailable` if others keep the lock
   */
  async write(login: KeptLogin, { seal = true }: { readonly seal?: boolean } = {}): Promise<void> {
    const { client } = login
    await this.#makeFolders(client)
    await this.#locked(client, async lock => {
      const before = await this.#textOf(client)
      const path = this.pathOf(client)
      let old: Stats | undefined = await lstat(path).catch(() => undefined)
      // A link, or what else has the name in a folder that is this user's own, is not written through.
      if (old !== undefined && !(old.isFile() && old.uid === process.getuid?.())) {
        await unlink(path)
        old = undefined
      }
      await lock.replace(seal ? await this.#sealed(login) : formatLogin(login), old)
      await this.#eraseKey(before, path)
    })
  }

  /**
   * Changes the login while no other process does.
   * @param change gets the present one. @returns what it is to be; undefined leaves it as it is
   * @throws OrthrusError `login_invalid`; `unavailable` if others keep the lock
   */
  async amend(client: Principal, change: (login: KeptLogin) => KeptLogin | undefined): Promise<void> {
    await this.#requireFolders(client)
    await this.#locked(client, async lock => {
      const { text, facts } = await lock.read()
      const changed = change(await this.#parse(text, client))
      if (changed !== undefined) await lock.replace(await this.#like(text, changed), facts)
    })
  }

  /** Erases the file, and what killed processes left of it. @returns whether there was one */
  async erase(client: Principal): Promise<boolean> {
    const path = this.pathOf(client)
    if (!(await exists(path))) return false
    await this.#requireFolders(client)
    const isErased = await this.#locked(client, async () => {
      // What was copied of it opens no more either.
      await this.#eraseKey(await this.#textOf(client), path)
      await removeAllTemporary(path, { readdir: folder => readdir(folder), unlink: name => unlink(name) })
      return unlink(path).then(
        () => true,
        () => false,
      )
    })
    // Others may have a login in the realm.
    await rmdir(this.#realmFolder(client)).catch(() => undefined)
    return isErased
  }

  #realmFolder(client: Principal): string {
    return join(this.folder, realmOf(client))
  }

  async #makeFolders(client: Principal): Promise<void> {
    const path = this.#realmFolder(client)
    await createFolder(path).catch((cause: unknown) => {
      const hint = 'check the folders above it, or name another folder: ORTHRUS_LOGINS=DIR'
      throw invalidFile(LOGIN_FILE, this.pathOf(client), `has no folder: ${codeOf(cause)}`, hint, cause)
    })
    await this.#requireFolders(client)
  }

  async #requireFolders(client: Principal): Promise<void> {
    await requireOwnFolder(this.folder)
    await requireOwnFolder(this.#realmFolder(client))
  }

  async #locked<T>(client: Principal, work: (lock: KeytabLock) => Promise<T>): Promise<T> {
    const lock = await lockKeytab(this.pathOf(client), this.#lock)
    try {
      return await work(lock)
    } finally {
      await lock.release()
    }
  }
}

function withoutKey(client: Principal, path: string): OrthrusError {
  const again = `orthrus login ${client}`
  return invalidFile(
    LOGIN_FILE,
    path,
    'is sealed by a key of the session that made it, which is not here: it has ended, this is another user, machine or container, or keyctl (keyutils) is missing',
    `run: ${again}; for jobs that have no session, give them a keytab of their own, or: ${again} --unsealed`,
  )
}

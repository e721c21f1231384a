import type { Stats } from 'node:fs'
import { lstat, readdir, rmdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, createFolder, exists } from '../../shared/folder.node.js'
import { type KeytabDisk, systemDisk } from '../../shared/keytab/keytab-disk.node.js'
import { type KeytabLock, type LockOptions, lockKeytab } from '../../shared/keytab/keytab-lock.node.js'
import { invalidFile, LOGIN_FILE } from '../../shared/keytab/private-file.js'
import { readPrivateVersion } from '../../shared/keytab/private-file.node.js'
import { removeAllTemporary } from '../../shared/keytab/unfinished-files.node.js'
import { isPrincipal, isRealm, localPart, type Principal, realmOf } from '../../shared/principal.js'
import { type Clock, systemClock } from '../../shared/time.js'
import { systemTimers, type Timers } from '../../shared/timers.js'
import { formatLogin, type KeptLogin, parseLogin } from './kept-login.js'
import type { LoginFiles } from './kept-source.js'
import { requireOwnFolder } from './login-folder.node.js'

/** A login is locked, read and replaced as a keytab is whose key changes. */
const read: KeytabDisk['read'] = path => readPrivateVersion(LOGIN_FILE, path)

const ENDING = '.login'

export interface LoginFolderOptions {
  readonly clock?: Clock
  readonly timers?: Timers
  readonly disk?: KeytabDisk
}

/** The logins of one folder: a folder for each realm, with a file for each login. */
export class LoginFolder implements LoginFiles {
  readonly folder: string
  readonly #lock: LockOptions

  constructor(folder: string, options: LoginFolderOptions = {}) {
    const { clock = systemClock, timers = systemTimers, disk = systemDisk } = options
    this.folder = folder
    this.#lock = { clock, timers, disk: { ...disk, read }, kind: LOGIN_FILE }
  }

  /** `web/1@demo.example` is in `demo.example/web~1.login`: no name has a `~`. */
  pathOf(client: Principal): string {
    return join(this.#realmFolder(client), `${localPart(client).replace('/', '~')}${ENDING}`)
  }

  /** Whose logins there are, whether they can still be used or not, by name. @throws OrthrusError `login_invalid` */
  async list(): Promise<Principal[]> {
    if (!(await exists(this.folder))) return []
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

  #parse(text: string, client: Principal): KeptLogin {
    const path = this.pathOf(client)
    const login = parseLogin(text, path)
    if (login.client === client) return login
    throw invalidFile(
      LOGIN_FILE,
      path,
      `is that of ${login.client}`,
      'it was renamed: give it its name again, or remove it',
    )
  }

  /**
   * Puts the login in the place of whatever was there.
   * @throws OrthrusError `login_invalid` if it cannot be written; `unavailable` if others keep the lock
   */
  async write(login: KeptLogin): Promise<void> {
    const { client } = login
    await this.#makeFolders(client)
    await this.#locked(client, async lock => {
      const path = this.pathOf(client)
      let old: Stats | undefined = await lstat(path).catch(() => undefined)
      // A link, or what else has the name in a folder that is this user's own, is not written through.
      if (old !== undefined && !(old.isFile() && old.uid === process.getuid?.())) {
        await unlink(path)
        old = undefined
      }
      await lock.replace(formatLogin(login), old)
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
      const changed = change(this.#parse(text, client))
      if (changed !== undefined) await lock.replace(formatLogin(changed), facts)
    })
  }

  /** Erases the file, and what killed processes left of it. @returns whether there was one */
  async erase(client: Principal): Promise<boolean> {
    const path = this.pathOf(client)
    if (!(await exists(path))) return false
    await this.#requireFolders(client)
    const isErased = await this.#locked(client, async () => {
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

import { OrthrusError } from '../../shared/errors.js'
import { isPrincipal, type Principal } from '../../shared/principal.js'
import { formatLogin, type KeptLogin, noLogin, parseLogin } from './kept-login.js'
import type { LoginFiles } from './kept-source.js'
import { pageHint } from './page-hint.js'
import type { TabLogins } from './tab-logins.js'

const DATABASE = 'orthrus'
const STORE = 'logins'
const VERSION = 1
const LOCK = 'orthrus login '

/** AES-GCM. Each login is sealed under a key that is drawn for it alone, so the nonce may be any. */
const ALGORITHM = 'AES-GCM'
const NONCE_BYTES = 12

interface Sealed {
  /** Cannot be exported: a script can use it, and not copy it. */
  readonly key: CryptoKey
  readonly nonce: Uint8Array<ArrayBuffer>
  readonly box: ArrayBuffer
}

/** The logins that are kept in the IndexedDB of this origin, each sealed under a key that WebCrypto does not give out. */
export class StoredLogins implements LoginFiles {
  readonly again = pageHint
  readonly #tabs: TabLogins

  /** @param tabs tells the other pages when a login has ended */
  constructor(tabs: TabLogins) {
    this.#tabs = tabs
  }

  async list(): Promise<Principal[]> {
    // To open a database makes it. Where the browser keeps nothing for this page, it has kept no login.
    if (!(await isDatabaseThere().catch(() => false))) return []
    // Whatever a script of this origin put there.
    const keys: unknown[] = await inStore('readonly', store => store.getAllKeys())
    return keys.filter(key => typeof key === 'string' && isPrincipal(key)).sort() as Principal[]
  }

  async read(client: Principal): Promise<KeptLogin> {
    const sealed: Partial<Sealed> | null | undefined = await inStore('readonly', store => store.get(client))
    if (sealed === undefined || sealed === null)
      throw noLogin(client, 'is not in this browser', undefined, pageHint())
    const login = loginIn(await open(sealed, client))
    if (login.client === client) return login
    throw noLogin(client, `is that of ${login.client}`, undefined, pageHint())
  }

  /** @throws OrthrusError `login_invalid` if the storage cannot be used, before anybody waits for a password's work */
  async requireUsable(): Promise<void> {
    requireSecure()
    await inStore('readonly', store => store.count())
  }

  async write(login: KeptLogin): Promise<void> {
    await alone(login.client, () => put(login))
  }

  async amend(client: Principal, change: (login: KeptLogin) => KeptLogin | undefined): Promise<void> {
    await alone(client, async () => {
      const changed = change(await this.read(client))
      if (changed !== undefined) await put(changed)
    })
  }

  async erase(client: Principal): Promise<void> {
    await alone(client, () => inStore('readwrite', store => store.delete(client)))
    await this.#tabs.erase(client)
  }

  whenEnded(client: Principal, run: () => void): () => void {
    return this.#tabs.whenEnded(client, run)
  }
}

/** What a command says of a login that cannot be used, a page does not. @throws OrthrusError `login_invalid` */
function loginIn(text: string): KeptLogin {
  try {
    return parseLogin(text, 'in IndexedDB')
  } catch (cause) {
    if (!(cause instanceof OrthrusError)) throw cause
    throw new OrthrusError(cause.code, cause.reason, { final: true, hint: pageHint(), cause })
  }
}

/** Two pages that add a ticket lose none, and none brings back a login that has ended. */
function alone<T>(client: Principal, work: () => Promise<T>): Promise<T> {
  requireSecure()
  return navigator.locks.request(`${LOCK}${client}`, work)
}

/** @throws OrthrusError `login_invalid` where the browser has neither WebCrypto nor locks */
function requireSecure(): void {
  if (globalThis.isSecureContext) return
  throw new OrthrusError('login_invalid', 'this page can keep no login: it was not loaded over HTTPS', {
    final: true,
    hint: "serve it over https:, or from localhost; keepLogin: 'tabs' stores nothing",
  })
}

function associated(client: Principal): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`orthrus login 1 ${client}`)
}

async function put(login: KeptLogin): Promise<void> {
  const key = await crypto.subtle.generateKey({ name: ALGORITHM, length: 256 }, false, ['encrypt', 'decrypt'])
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES))
  const settings = { name: ALGORITHM, iv: nonce, additionalData: associated(login.client) }
  const box = await crypto.subtle.encrypt(settings, key, new TextEncoder().encode(formatLogin(login)))
  const sealed: Sealed = { key, nonce, box }
  await inStore('readwrite', store => store.put(sealed, login.client))
}

async function open(sealed: Partial<Sealed>, client: Principal): Promise<string> {
  try {
    const { key, nonce, box } = sealed as Sealed
    const settings = { name: ALGORITHM, iv: nonce, additionalData: associated(client) }
    return new TextDecoder().decode(await crypto.subtle.decrypt(settings, key, box))
  } catch (cause) {
    throw noLogin(client, 'was damaged in this browser', cause, pageHint())
  }
}

async function isDatabaseThere(): Promise<boolean> {
  return (await indexedDB.databases()).some(({ name }) => name === DATABASE)
}

/** @throws OrthrusError `login_invalid` if the browser has no room, or the database is not as it was made here */
async function inStore<T>(
  mode: IDBTransactionMode,
  work: (store: IDBObjectStore) => IDBRequest<T>,
): Promise<T> {
  try {
    return await inDatabase(mode, work)
  } catch (cause) {
    throw unusable(cause)
  }
}

/** The error for what the browser says of its storage, in the name that it has for it. */
function unusable(cause: unknown): OrthrusError {
  const why = cause instanceof DOMException ? cause.name : 'unknown reason'
  const hint =
    HINTS[why] ?? `log in with keepLogin: 'tabs', or remove the IndexedDB database ${DATABASE} of this origin`
  return new OrthrusError('login_invalid', `the browser's storage cannot be used: ${why}`, {
    final: true,
    hint,
    cause,
  })
}

const HINTS: Readonly<Record<string, string>> = {
  VersionError:
    "another page of this origin has a newer version of Orthrus: load this one again, or log in with keepLogin: 'tabs'",
  SecurityError:
    "is it a private window, are cookies of this site blocked, or is the page in a sandboxed frame? Log in with keepLogin: 'tabs', or without",
}

async function inDatabase<T>(
  mode: IDBTransactionMode,
  work: (store: IDBObjectStore) => IDBRequest<T>,
): Promise<T> {
  const opening = indexedDB.open(DATABASE, VERSION)
  opening.onupgradeneeded = () => void opening.result.createObjectStore(STORE)
  const database = await ended(opening)
  try {
    return await ended(work(database.transaction(STORE, mode).objectStore(STORE)))
  } finally {
    database.close()
  }
}

function ended<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

import { type ChangingKeytab, changingKeytab, readKeytabFile } from '#keytab-file'
import type { LongTermKey } from '../shared/crypto/keys.js'
import { OrthrusError } from '../shared/errors.js'
import { type KeytabEntry, parseKeytab, selectPrincipal } from '../shared/keytab/keytab.js'
import type { Principal } from '../shared/principal.js'
import { type Clock, SECOND } from '../shared/time.js'
import type { Timers } from '../shared/timers.js'
import type { ServiceKeys } from './keys.js'
import type { KeyLocks } from './lock/key-locks.js'
import type { Report, ServiceEvent } from './report/events.js'

/** A keytab is read again at most this often, milliseconds (docs/protocol.md section 12). */
const READ_INTERVAL = SECOND

export interface KeyFileOptions {
  /** Undefined if the keytab was given as text. */
  readonly path: string | undefined
  readonly allowReadableKeytab: boolean
  readonly service: Principal
  readonly keys: ServiceKeys
  /** Undefined if other processes may serve under the same keys. */
  readonly locks: KeyLocks | undefined
  /** Called when the lock of a new key is held, before the key opens a ticket. */
  readonly onLocked: (key: LongTermKey) => Promise<void>
  readonly clock: Clock
  readonly timers: Timers
  readonly report: Report
}

type KeyOfKvno = Pick<KeytabEntry, 'kvno' | 'key'>

/** Where the keys of a running service come from, and what keeps both the same (section 12). */
export class KeyFile {
  readonly #options: KeyFileOptions
  readonly #keytab: ChangingKeytab | undefined
  #readAt = Number.NEGATIVE_INFINITY
  #reading: Promise<void> = Promise.resolve()
  /** Keys whose locks are being taken. */
  #adding: Promise<unknown> = Promise.resolve()
  /** The kvnos of the keys that were taken last. */
  #wanted: ReadonlySet<number> = new Set()
  /** How many times keys were taken. */
  #taken = 0
  /** Keys up to this kvno were revoked, and open nothing wherever they are found. */
  #revokedUpTo = 0

  constructor(options: KeyFileOptions) {
    const { path } = options
    this.#options = options
    this.#keytab = path === undefined ? undefined : changingKeytab(path, options)
  }

  /** @throws OrthrusError `keytab_invalid` if a key cannot be changed in the keytab */
  async requireChangeable(): Promise<void> {
    await this.#keytab?.requireChangeable()
  }

  /** From now on these keys open tickets, each once its lock is held, and no others. */
  take(entries: readonly KeyOfKvno[]): void {
    const { keys } = this.#options
    this.#taken++
    const good = entries.filter(({ kvno }) => kvno > this.#revokedUpTo)
    this.#wanted = new Set(good.map(({ kvno }) => kvno))
    for (const kvno of keys.kvnos) if (!this.#wanted.has(kvno)) keys.drop(kvno)
    const added = good.filter(({ kvno }) => keys.get(kvno) === undefined)
    if (this.#options.locks === undefined) for (const { kvno, key } of added) keys.add(kvno, key)
    else this.#adding = Promise.all([this.#adding, ...added.map(entry => this.#addLocked(entry))])
  }

  async #addLocked({ kvno, key }: KeyOfKvno): Promise<void> {
    const { keys, locks } = this.#options
    try {
      await locks?.take(key)
      await this.#options.onLocked(key)
    } catch (err) {
      return this.#tell({ kind: 'key_not_locked', kvno, err })
    }
    const isWanted = this.#wanted.has(kvno) && kvno > this.#revokedUpTo
    if (isWanted && keys.get(kvno) === undefined) keys.add(kvno, key)
    else locks?.drop(key)
  }

  /**
   * After a request was refused: whether its ticket is under a key that another process has put into the keytab since.
   * Then the request can be looked at again, because nothing of it was remembered.
   */
  async hasKeyFor(refusal: unknown): Promise<boolean> {
    const { service, keys } = this.#options
    if (!(refusal instanceof OrthrusError) || refusal.code !== 'ticket_invalid') return false
    const { kvno } = refusal.facts
    if (this.#keytab === undefined || refusal.facts.service !== service || kvno === undefined) return false
    if (keys.get(kvno) !== undefined || kvno <= Math.max(0, ...keys.kvnos)) return false
    await this.#readAgain()
    await this.#adding
    return keys.get(kvno) !== undefined
  }

  /** Keys up to this kvno were revoked: from now on they open nothing, whatever the keytab has. */
  revoke(kvno: number): void {
    this.#revokedUpTo = Math.max(this.#revokedUpTo, kvno)
  }

  async #readAgain(): Promise<void> {
    const now = this.#options.clock.monotonic()
    if (now - this.#readAt >= READ_INTERVAL) {
      this.#readAt = now
      this.#reading = this.#read()
    }
    await this.#reading
  }

  async #read(): Promise<void> {
    const { path = '', allowReadableKeytab, service, keys } = this.#options
    const taken = this.#taken
    try {
      const entries = parseKeytab(await readKeytabFile(path, { allowReadableKeytab }), path)
      const found = selectPrincipal(entries, service, path)
      // This process changed the key meanwhile, so what was read may be from before.
      if (taken !== this.#taken) return await this.#read()
      // An older copy, put back by mistake. Anybody can have it read, with a ticket that names a higher kvno.
      if (found.every(({ kvno }) => kvno < Math.max(0, ...keys.kvnos))) throw tooOld(path, service)
      this.take(found)
    } catch (err) {
      this.#tell({ kind: 'keytab_not_read', err })
    }
  }

  /** A logger that fails must not keep a service from its keys. */
  #tell(event: ServiceEvent): void {
    try {
      this.#options.report(event)
    } catch {}
  }
}

function tooOld(path: string, principal: Principal): OrthrusError {
  return new OrthrusError('keytab_invalid', `the keytab ${path} has older keys of ${principal} alone`, {
    principal,
    hint: 'an older copy of it was put back: restore the newest one before the next start',
  })
}

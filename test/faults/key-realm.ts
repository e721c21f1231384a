import { existsSync } from 'node:fs'
import { readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { Administration } from '../../client/channel/administration.js'
import { connect, type Realm } from '../../client/connect.js'
import { rotateKey } from '../../client/rotation/rotate.js'
import type { ServiceTicket } from '../../client/ticket/service-ticket.js'
import { secretsOf } from '../../client/ticket/ticket.js'
import { DATA_FILES } from '../../kdc/data-files.js'
import { type RunningKdc, startKdc } from '../../kdc/main.js'
import { currentKey } from '../../kdc/realm/principal-keys.js'
import { openLevelStore } from '../../kdc/store/level/store.js'
import { readMasterKey } from '../../kdc/vault/master-key.js'
import type { PrincipalRecord } from '../../kdc/vault/records.js'
import { Vault } from '../../kdc/vault/vault.js'
import { toHex } from '../../shared/bytes.js'
import { type LongTermKey, revealKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { formatJoinCode } from '../../shared/keytab/join-code.js'
import { type KeytabEntry, parseKeytab } from '../../shared/keytab/keytab.js'
import { changingKeytab } from '../../shared/keytab/keytab-file.node.js'
import { silentLogger } from '../../shared/logger.js'
import type { Pattern } from '../../shared/pattern.js'
import { localPart, type Principal, principalIn } from '../../shared/principal.js'
import { openTicket } from '../../shared/ticket/ticket.js'
import { MINUTE, systemClock } from '../../shared/time.js'
import { systemTimers } from '../../shared/timers.js'
import { type FaultRealm, makeRealm, REALM } from '../support/folder-realm.js'
import { readRecord } from '../support/records.js'

/**
 * A realm whose keys change while processes are killed: `orders` has a keytab, and `host` gets one with join codes.
 * What docs/protocol.md section 12 promises is checked after each accident, before anything is mended, and once more
 * after it.
 */

/** Waits for a dead holder of a lock a fiftieth of the time, since a holder that was killed stays dead. */
const hasty = { now: systemClock.now, monotonic: () => systemClock.monotonic() * 50 }

export interface Code {
  readonly code: string
  readonly invitation: Principal
}

export class KeyRealm {
  readonly realm: FaultRealm
  /** Every key that a kvno of a principal ever had, anywhere. */
  readonly #known = new Map<string, string>()
  readonly #granted: ServiceTicket[] = []
  #clientId: string | undefined
  #kdc: RunningKdc | undefined
  #vault: Vault | undefined

  private constructor(realm: FaultRealm) {
    this.realm = realm
  }

  static async make(): Promise<KeyRealm> {
    const realm = await makeRealm(
      ['web', 'orders'],
      [
        ['web', 'orders'],
        ['web', 'host'],
      ],
    )
    const made = new KeyRealm(realm)
    await writeFile(made.path('orders'), realm.keytab('orders'), { mode: 0o600 })
    return made
  }

  path(name: string): string {
    return join(this.realm.folder, `${name}.keytab`)
  }

  get url(): string {
    if (this.#kdc === undefined) throw new Error('the KDC does not run here')
    return this.#kdc.url
  }

  get administration(): Administration {
    if (this.#kdc === undefined) throw new Error('the KDC does not run here')
    return new Administration(this.#kdc.administration)
  }

  /** Runs the KDC in this process. */
  async open(): Promise<void> {
    const { data } = this.realm
    const store = await openLevelStore(join(data, DATA_FILES.DATABASE), { create: false })
    const masterKey = await readMasterKey(join(data, DATA_FILES.MASTER_KEY))
    this.#vault = new Vault(store, masterKey, systemRandom)
    this.#kdc = await startKdc({ store, masterKey, listen: { port: 0 } })
  }

  async close(): Promise<void> {
    const kdc = this.#kdc
    this.#kdc = undefined
    await kdc?.close()
  }

  async remove(): Promise<void> {
    await this.close()
    await this.realm.remove()
  }

  record(name: string): Promise<PrincipalRecord> {
    if (this.#vault === undefined) throw new Error('the KDC does not run here')
    return readRecord(this.#vault, principalIn(REALM, name))
  }

  async currentKvno(name: string): Promise<number | undefined> {
    return currentKey(await this.record(name))?.kvno
  }

  /** Logs in with a keytab, as a holder in this process does. */
  login(name: string, url = this.url): Promise<Realm> {
    return connect({ kdc: url, keytab: this.path(name), logger: silentLogger })
  }

  /** Changes the key of `orders`, as a holder in this process does. @returns the kvno that became current */
  async refresh(url = this.url): Promise<number> {
    const holder = await this.login('orders', url)
    try {
      const keytab = changingKeytab(this.path('orders'), { clock: hasty, timers: systemTimers })
      const { kvno } = await rotateKey(holder, { keytab, wanted: true })
      if (kvno === undefined) throw new Error('the key was not changed')
      return kvno
    } finally {
      holder.close()
    }
  }

  /** Starts `host` as a container starts: with a code, and with its keytab if it has one. */
  async join({ code }: Code, url = this.url): Promise<void> {
    const host = await connect({ join: code, kdc: url, keytab: this.path('host'), logger: silentLogger })
    host.close()
  }

  /** A code for `host`, which has no keytab now. What it had until now is in `host-before.keytab`. */
  async invite(): Promise<Code> {
    if (existsSync(this.path('host'))) await rename(this.path('host'), this.path('host-before'))
    const made = await this.administration.invitations.make({
      target: `host@${REALM}` as Pattern,
      uses: 1,
      endsAt: systemClock.now() + 10 * MINUTE,
      principalsLife: null,
    })
    return { code: formatJoinCode({ ...made, kdc: [this.url] }), invitation: made.invitation.principal }
  }

  async isUsed({ invitation }: Code): Promise<boolean> {
    return ((await this.record(invitation)).invitation?.used ?? 0) > 0
  }

  /**
   * What must be so of `orders` at any moment: no kvno has two keys; the keytab has the current one; what the KDC seals
   * now, and what it sealed before, can be opened; and no ticket of it was revoked.
   */
  async requireShared(): Promise<void> {
    const record = await this.record('orders')
    const held = await this.#requireOneKeyEach(record)
    expect(held.get(currentKey(record)?.kvno ?? 0), 'the keytab has the current key').toBeDefined()
    await this.#grant('orders')
    for (const ticket of this.#granted) {
      const { sealed } = secretsOf(ticket)
      const key = held.get(sealed.kvno)
      if (key === undefined) throw new Error(`nothing opens a ticket under kvno ${sealed.kvno}`)
      expect(openTicket(sealed, key).client).toBe(`web@${REALM}`)
    }
    const clientId = toHex(record.clientId)
    this.#clientId ??= clientId
    expect(clientId, 'tickets of the principal live on').toBe(this.#clientId)
  }

  /**
   * What must be so of `host` at any moment: the code was used and the keytab has the key, or it was not used, and the
   * keytab of before still works.
   */
  async requireCodeWhole(code: Code, before: number | undefined): Promise<void> {
    const isUsed = await this.isUsed(code)
    const record = await this.record('host').catch(() => undefined)
    const current = record && currentKey(record)
    expect(isUsed, 'the code is used up exactly if its key is current').toBe(current?.kvno !== before)
    if (record !== undefined) {
      const held = await this.#requireOneKeyEach(record)
      if (isUsed) expect([...held.keys()]).toEqual([current?.kvno])
    }
    if (before === undefined && !isUsed) {
      await expect(this.#grant('host')).rejects.toMatchObject({ code: 'unknown_service' })
      return
    }
    const [last] = [await this.#grant('host')]
    expect(secretsOf(last).sealed.kvno, 'what the KDC seals under').toBe(current?.kvno)
    if (!isUsed) (await this.login('host-before').then(host => host.getTgt().then(() => host))).close()
  }

  /** Nothing of an interrupted change is left beside a keytab. */
  async requireTidy(): Promise<void> {
    const left = (await readdir(this.realm.folder)).filter(name => name.includes('.keytab.'))
    expect(left).toEqual([])
  }

  async #grant(service: string): Promise<ServiceTicket> {
    const web = await connect({
      kdc: this.url,
      keytab: { text: this.realm.keytab('web') },
      logger: silentLogger,
    })
    const ticket = await web.getServiceTicket(service).finally(() => web.close())
    if (service === 'orders') this.#granted.push(ticket)
    return ticket
  }

  /** @returns the keys in the keytab */
  async #requireOneKeyEach({ name, keys }: PrincipalRecord): Promise<Map<number, LongTermKey>> {
    const short = localPart(name)
    const held = new Map<number, LongTermKey>()
    for (const { kvno, key } of await keysAt(this.path(short))) held.set(kvno, key)
    const files = await readdir(this.realm.folder, { recursive: true })
    const beside = files.filter(file => file.startsWith(`${short}.keytab.`))
    const elsewhere = await Promise.all(beside.map(file => keysAt(join(this.realm.folder, file))))
    for (const { kvno, key } of [...keys, ...(await keysAt(this.path(short))), ...elsewhere.flat()]) {
      const known = this.#known.get(`${name} ${kvno}`) ?? toHex(revealKey(key))
      expect(toHex(revealKey(key)), `the one key of kvno ${kvno}`).toBe(known)
      this.#known.set(`${name} ${kvno}`, known)
    }
    return held
  }
}

/** The keys in a file, if there is one and it is whole. */
async function keysAt(path: string): Promise<readonly KeytabEntry[]> {
  try {
    return parseKeytab(await readFile(path, 'utf8'))
  } catch {
    return []
  }
}

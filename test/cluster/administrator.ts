import { type ConnectedAdministration, connectAdmin } from '../../client/admin.js'
import type { MadeInvitation } from '../../shared/administration/invitations.js'
import { NO_LIMITS } from '../../shared/administration/principals.js'
import { NO_TERMS, type PolicyRule } from '../../shared/administration/rule.js'
import { OrthrusError } from '../../shared/errors.js'
import { silentLogger } from '../../shared/logger.js'
import { patternIn } from '../../shared/pattern.js'
import { digestOf, type Hand, type KnownKeys } from './asker.js'
import type { Deed, Fact } from './history.js'
import type { KdcHost } from './kdc-host.js'
import { REALM, shortOf, whole } from './names.js'
import type { Recorder } from './recorder.js'
import { machineTime } from './time.js'

/** What a call came to. */
export interface Done<T> {
  readonly outcome: Deed['outcome']
  readonly result: T | undefined
}

type More<T> = (result: T) => Partial<Pick<Deed, 'seq' | 'endsKeysOf' | 'endsTicket' | 'endsTicketsOf'>>

/** An administrator at one KDC, who writes down what he was told. */
export class Administrator {
  readonly host: KdcHost
  readonly #recorder: Recorder
  readonly #keys: KnownKeys
  readonly #keytab: string
  #administration: Promise<ConnectedAdministration> | undefined

  constructor(host: KdcHost, keytab: string, recorder: Recorder, keys: KnownKeys) {
    this.host = host
    this.#keytab = keytab
    this.#recorder = recorder
    this.#keys = keys
  }

  /** @returns its key; `undefined` if it may not have been added */
  async add(name: string): Promise<Hand | undefined> {
    const principal = whole(name)
    const set = [{ on: `principal ${name}`, is: 'enabled' }]
    const began = machineTime()
    const { result } = await this.#do(`add ${name}`, set, admin =>
      admin.add({ principal, password: null, ...NO_LIMITS }),
    )
    if (result === undefined || result.key === null) return undefined
    return this.#born({ principal, kvno: result.kvno, key: result.key }, began)
  }

  enable(name: string): Promise<Done<void>> {
    const set = [{ on: `principal ${name}`, is: 'enabled' }]
    return this.#do(`enable ${name}`, set, admin => admin.enable(whole(name)))
  }

  disable(name: string): Promise<Done<number>> {
    const set = [{ on: `principal ${name}`, is: 'disabled' }]
    return this.#do(`disable ${name}`, set, admin => admin.disable(whole(name)), endsTicketsOf(name))
  }

  remove(name: string): Promise<Done<number>> {
    const set = [{ on: `principal ${name}`, is: 'removed' }]
    return this.#do(`remove ${name}`, set, admin => admin.remove(whole(name)), endsTicketsOf(name))
  }

  revokeClient(name: string): Promise<Done<number>> {
    const what = `revoke client ${name}`
    return this.#do(what, [], admin => admin.revocations.client(whole(name)), endsTicketsOf(name))
  }

  revokeTicket(ticketId: string, client: string): Promise<Done<number>> {
    const revocation = { ticketId: new Uint8Array(Buffer.from(ticketId, 'hex')), principal: whole(client) }
    const set = [{ on: `ticket ${ticketId}`, is: 'revoked' }]
    return this.#do(
      `revoke ticket ${ticketId}`,
      set,
      admin => admin.revocations.ticket(revocation),
      seq => ({ seq, endsTicket: ticketId }),
    )
  }

  allow(client: string, service: string): Promise<Done<void>> {
    return this.#setRule(client, service, 'allow')
  }

  deny(client: string, service: string): Promise<Done<void>> {
    return this.#setRule(client, service, 'deny')
  }

  forget(client: string, service: string): Promise<Done<void>> {
    const set = [{ on: `rule ${client} ${service}`, is: 'none' }]
    return this.#do(`forget ${client} ${service}`, set, admin =>
      admin.forget(patternIn(REALM, client), patternIn(REALM, service)),
    )
  }

  /** @param opens the service that members may call by a rule for the group alone, if there is one */
  group(name: string, group: string, opens?: string): Promise<Done<unknown>> {
    const set = [{ on: `group ${name} ${group}`, is: 'in' }, ...accessOf(name, opens, 'given')]
    const change = { group: patternIn(REALM, group), principals: [whole(name)] }
    return this.#do(`put ${name} into ${group}`, set, admin => admin.groups.add(change))
  }

  ungroup(name: string, group: string, opens?: string): Promise<Done<unknown>> {
    const set = [{ on: `group ${name} ${group}`, is: 'out' }, ...accessOf(name, opens, 'taken')]
    const change = { group: patternIn(REALM, group), principals: [whole(name)] }
    return this.#do(`take ${name} out of ${group}`, set, admin => admin.groups.remove(change))
  }

  /** @returns the new key; `undefined` if it may not have been replaced */
  async replaceKey(name: string): Promise<Hand | undefined> {
    const principal = whole(name)
    const began = machineTime()
    const { result } = await this.#do(
      `replace the key of ${name}`,
      [],
      admin => admin.keys.replace(principal),
      ({ kvno }) => ({ endsKeysOf: { service: name, kvno }, endsTicketsOf: name }),
    )
    return result && this.#born({ principal, kvno: result.kvno, key: result.key }, began)
  }

  /** A fresh key for krbtgt or kdc: each change has a kvno that no other has. */
  async rotate(name: 'krbtgt' | 'kdc'): Promise<Done<number | null>> {
    const began = machineTime()
    const done = await this.#do(`rotate ${name}`, [], admin => admin.keys.rotate(whole(name)))
    const kvno = done.result ?? undefined
    if (kvno !== undefined)
      this.#recorder.add({
        kind: 'born',
        principal: name,
        kvno,
        key: `rotation at ${began}`,
        mayServe: began,
      })
    return done
  }

  invite(target: string, uses: number): Promise<Done<MadeInvitation>> {
    const wanted = {
      target: patternIn(REALM, target),
      uses,
      endsAt: Date.now() + 3_600_000,
      principalsLife: null,
    }
    return this.#do(`invite ${target}`, [], admin => admin.invitations.make(wanted))
  }

  /** What the KDC shows of a principal and its groups. */
  async read(name: string, groups: readonly string[] = []): Promise<void> {
    const began = machineTime()
    try {
      const { disabled, groups: found } = await (await this.#open()).show(whole(name))
      const facts = groups.map(group => {
        const there = found.includes(patternIn(REALM, group))
        return { on: `group ${name} ${group}`, is: there ? 'in' : 'out' }
      })
      this.#reading(began, [{ on: `principal ${name}`, is: disabled ? 'disabled' : 'enabled' }, ...facts])
    } catch (cause) {
      if (codeOf(cause) === 'unknown_service')
        this.#reading(began, [{ on: `principal ${name}`, is: 'removed' }])
      else this.#failed(cause)
    }
  }

  /** Everything that administrators set, as the KDC lists it. @returns whether it could be read */
  async readAll(): Promise<boolean> {
    const began = machineTime()
    try {
      const administration = await this.#open()
      const found = new Map<string, string>()
      for await (const { principal, disabled, groups } of administration.list()) {
        const name = shortOf(principal)
        found.set(`principal ${name}`, disabled ? 'disabled' : 'enabled')
        for (const group of groups) found.set(`group ${name} ${group}`, 'in')
      }
      for await (const rule of administration.policy())
        found.set(`rule ${shortOf(rule.client)} ${shortOf(rule.service)}`, rule.effect)
      this.#reading(
        began,
        this.#expected().map(on => ({ on, is: found.get(on) ?? absent(on) })),
      )
      return true
    } catch (cause) {
      this.#failed(cause)
      return false
    }
  }

  close(): void {
    this.#administration?.then(
      administration => administration.close(),
      () => undefined,
    )
    this.#administration = undefined
  }

  #setRule(client: string, service: string, effect: PolicyRule['effect']): Promise<Done<void>> {
    const set = [{ on: `rule ${client} ${service}`, is: effect }]
    const pair = { client: patternIn(REALM, client), service: patternIn(REALM, service) }
    return this.#do(`${effect} ${client} ${service}`, set, admin =>
      admin.setRule({ ...NO_TERMS, ...pair, effect }),
    )
  }

  /** Every register that a deed has set. */
  #expected(): string[] {
    const set = this.#recorder.history.flatMap(one =>
      one.kind === 'deed' ? one.sets.map(({ on }) => on) : [],
    )
    return [...new Set(set)].filter(on => /^(principal|rule|group) /.test(on))
  }

  /** @param mayServe it may have been in force before the answer came */
  #born(hand: Hand, mayServe: number): Hand {
    this.#keys.add(hand)
    const { principal, kvno, key } = hand
    const name = principal.split('@')[0] as string
    this.#recorder.add({ kind: 'born', principal: name, kvno, key: digestOf(key), mayServe })
    return hand
  }

  #reading(began: number, found: readonly Fact[]): void {
    this.#recorder.add({ kind: 'reading', kdc: this.host.name, found, began, ended: machineTime() })
  }

  async #do<T>(
    what: string,
    sets: readonly Fact[],
    call: (administration: ConnectedAdministration) => Promise<T>,
    more: More<T> = () => ({}),
  ): Promise<Done<T>> {
    const began = machineTime()
    const deed = { kind: 'deed', kdc: this.host.name, what, sets, began } as const
    try {
      const result = await call(await this.#open())
      this.#recorder.add({ ...deed, ...more(result), outcome: 'done', ended: machineTime() })
      return { outcome: 'done', result }
    } catch (cause) {
      const outcome = this.#failed(cause)
      const ended = outcome === 'unknown' ? Number.POSITIVE_INFINITY : machineTime()
      this.#recorder.add({ ...deed, outcome, code: codeOf(cause), ended })
      return { outcome, result: undefined }
    }
  }

  #failed(cause: unknown): 'refused' | 'unknown' {
    if (!(cause instanceof OrthrusError)) throw cause
    const isUnknown = ['unavailable', 'channel_broken'].includes(cause.code)
    if (isUnknown) this.close()
    return isUnknown ? 'unknown' : 'refused'
  }

  #open(): Promise<ConnectedAdministration> {
    this.#administration ??= connectAdmin({
      kdc: this.host.url('driver'),
      keytab: { text: this.#keytab },
      logger: silentLogger,
      timeouts: { connect: 1_000, exchange: 2_000, call: 12_000 },
    })
    this.#administration.catch(() => {
      this.#administration = undefined
    })
    return this.#administration
  }
}

/** What a group alone gives. */
function accessOf(name: string, service: string | undefined, is: 'given' | 'taken'): Fact[] {
  return service === undefined ? [] : [{ on: `access ${name} ${service}`, is }]
}

function endsTicketsOf(name: string): More<number> {
  return seq => ({ seq, endsTicketsOf: name })
}

function absent(on: string): string {
  if (on.startsWith('principal ')) return 'removed'
  return on.startsWith('rule ') ? 'none' : 'out'
}

function codeOf(cause: unknown): string {
  return cause instanceof OrthrusError ? cause.code : String(cause)
}

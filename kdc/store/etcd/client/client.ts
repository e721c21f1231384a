import type { SecureClientSessionOptions } from 'node:http2'
import { SECOND } from '../../../../shared/time.js'
import { systemTimers, type Timers } from '../../../../shared/timers.js'
import type {
  Etcd,
  EtcdWatch,
  RangeAnswer,
  RangeQuestion,
  Transaction,
  TransactionAnswer,
  WatchListener,
} from '../etcd.js'
import { requireRange, requireTransaction } from './check-answers.js'
import { Connection } from './connection.js'
import { explain, isCompacted, isLeaseGone, isOfMember, isOfToken } from './failure.js'
import { GrpcFailure, STATUS } from './grpc.js'
import {
  decodeLease,
  decodeLogin,
  decodeRange,
  decodeTransaction,
  encodeCompaction,
  encodeLease,
  encodeLeaseGrant,
  encodeLogin,
  encodeRange,
  encodeTransaction,
} from './messages.js'
import { Watch } from './watch.js'
import { encodeWatchCreate } from './watch-messages.js'

export interface EtcdOptions {
  /** `http://host:port` or `https://host:port` of each member. Tried in this order. */
  readonly endpoints: readonly string[]
  /** How members prove themselves, and the certificate that is shown to them. Their names are checked. */
  readonly tls?: Pick<SecureClientSessionOptions, 'ca' | 'cert' | 'key'>
  readonly user?: { readonly name: string; readonly password: string } | undefined
  /** Of a call at one member, milliseconds. Default: one second. */
  readonly deadline?: number
  readonly timers?: Timers
}

/** Compacting takes as long as there is much to compact, milliseconds. */
const COMPACTION_DEADLINE = 60 * SECOND

/** Whether a call may be made again at another member although it may have been carried out. */
type Repeat = 'safe' | 'unsafe'

/** A client that uses one member at a time, and goes to the next one when it fails. Connects with the first call. */
export function createEtcd(options: EtcdOptions): Etcd {
  return new EtcdClient(options)
}

class EtcdClient implements Etcd {
  readonly #options: Required<Omit<EtcdOptions, 'user' | 'tls'>> & Pick<EtcdOptions, 'user' | 'tls'>
  readonly #connections = new Map<string, Promise<Connection>>()
  readonly #watches = new Set<Watch>()
  #current = 0
  #token: Promise<string> | undefined
  #isClosed = false

  constructor(options: EtcdOptions) {
    if (options.endpoints.length === 0) throw new TypeError('etcd has one member at least')
    this.#options = { deadline: SECOND, timers: systemTimers, ...options }
  }

  async range(question: RangeQuestion): Promise<RangeAnswer> {
    const answer = await this.#call('KV/Range', encodeRange(question), 'safe')
    return decoded(bytes => requireRange(question, decodeRange(bytes)), answer)
  }

  async transact(transaction: Transaction): Promise<TransactionAnswer> {
    const all = [...transaction.operations, ...(transaction.otherwise ?? [])]
    const repeat = all.every(({ kind }) => kind === 'range') ? 'safe' : 'unsafe'
    const answer = await this.#call('KV/Txn', encodeTransaction(transaction), repeat)
    return decoded(bytes => requireTransaction(transaction, decodeTransaction(bytes)), answer)
  }

  async grantLease(ttl: number): Promise<string> {
    // If it is granted twice, one of them ends by itself.
    const answer = await this.#call('Lease/LeaseGrant', encodeLeaseGrant(ttl), 'safe')
    return decoded(decodeLease, answer).id
  }

  async keepLease(lease: string): Promise<number> {
    return decoded(decodeLease, await this.#call('Lease/LeaseKeepAlive', encodeLease(lease), 'safe')).ttl
  }

  async revokeLease(lease: string): Promise<void> {
    await this.#call('Lease/LeaseRevoke', encodeLease(lease), 'safe').catch(cause => {
      if (!isLeaseGone(cause)) throw cause
    })
  }

  async compact(revision: number): Promise<void> {
    const message = encodeCompaction(revision)
    await this.#call('KV/Compact', message, 'safe', COMPACTION_DEADLINE).catch(cause => {
      if (!isCompacted(cause)) throw cause
    })
  }

  watch(range: { key: string; end: string; revision: number }, listener: WatchListener): EtcdWatch {
    const watch = new Watch(range, listener)
    this.#watches.add(watch)
    const message = encodeWatchCreate(range.key, range.end, range.revision)
    this.#beginWatch(watch, message).catch(cause => this.#endWatch(watch, cause))
    return watch
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const watch of this.#watches) watch.close()
    const opening = [...this.#connections.values()]
    this.#connections.clear()
    for (const connection of await Promise.allSettled(opening)) {
      if (connection.status === 'fulfilled') connection.value.close()
    }
  }

  async #beginWatch(watch: Watch, message: Uint8Array): Promise<void> {
    await this.#atSomeMember('safe', async (connection, url, token) => {
      if (watch.isOver) return
      const metadata = { ...token, hasleader: 'true' }
      const stream = connection.stream('/etcdserverpb.Watch/Watch', message, metadata, {
        message: bytes => {
          try {
            watch.received(bytes)
          } catch (cause) {
            this.#endWatch(watch, explain(url, cause))
          }
        },
        ended: failure => {
          if (isOfMember(failure)) this.#leave(url)
          this.#endWatch(watch, explain(url, failure))
        },
      })
      watch.begun(stream)
    })
  }

  #endWatch(watch: Watch, cause: Error): void {
    this.#watches.delete(watch)
    // A token that counts no longer ends a watch in words of its own: the next call logs in again.
    if (/auth|permission/.test(cause.message)) this.#token = undefined
    watch.end(cause)
  }

  /** @throws OrthrusError `unavailable` */
  async #call(
    method: string,
    message: Uint8Array,
    repeat: Repeat,
    deadline = this.#options.deadline,
  ): Promise<Uint8Array> {
    return this.#atSomeMember(repeat, (connection, _, metadata) =>
      connection.call({ path: `/etcdserverpb.${method}`, message, metadata, deadline }),
    )
  }

  /** Tries each member once, beginning with the one that answered last. @throws OrthrusError `unavailable` */
  async #atSomeMember<T>(
    repeat: Repeat,
    work: (connection: Connection, url: string, metadata: Readonly<Record<string, string>>) => Promise<T>,
  ): Promise<T> {
    const { endpoints } = this.#options
    const failures: string[] = []
    let last: unknown
    let hasLoggedIn = false
    for (let tries = 0; tries < endpoints.length; tries++) {
      const url = endpoints[this.#current] as string
      let isSent = false
      try {
        const connection = await this.#connection(url)
        const metadata = await this.#metadata(connection)
        isSent = true
        return await work(connection, url, metadata)
      } catch (cause) {
        if (!(cause instanceof GrpcFailure)) throw cause
        if (isOfToken(cause) && this.#options.user !== undefined && !hasLoggedIn) {
          this.#token = undefined
          hasLoggedIn = true
          tries--
          continue
        }
        if (!isOfMember(cause)) throw explain(url, cause)
        this.#leave(url)
        if (isSent && repeat === 'unsafe') throw explain(url, cause)
        last = cause
        failures.push(`${url}: ${cause.message}`)
      }
    }
    throw explain(
      endpoints.join(', '),
      endpoints.length === 1 ? last : new GrpcFailure(STATUS.UNAVAILABLE, failures.join('; ')),
    )
  }

  /** Others go to the next member from now on. Watches that it still serves stay there. */
  #leave(url: string): void {
    const { endpoints } = this.#options
    const at = endpoints.indexOf(url)
    if (this.#current === at) this.#current = (at + 1) % endpoints.length
  }

  /** @throws GrpcFailure */
  async #connection(url: string): Promise<Connection> {
    if (this.#isClosed) throw explain(url, new Error('the client was closed'))
    const { timers, deadline, tls = {} } = this.#options
    const held = this.#connections.get(url)
    const connection = await held
    if (connection?.isOpen) return connection
    if (this.#connections.get(url) !== held) return this.#connection(url)
    const opening = Connection.open({ url, tls, timers, deadline })
    this.#connections.set(url, opening)
    try {
      return await opening
    } catch (cause) {
      if (this.#connections.get(url) === opening) this.#connections.delete(url)
      throw cause
    }
  }

  /** @throws GrpcFailure */
  async #metadata(connection: Connection): Promise<Readonly<Record<string, string>>> {
    const { user } = this.#options
    if (user === undefined) return {}
    this.#token ??= this.#login(connection, user)
    const token = this.#token
    try {
      return { token: await token }
    } catch (cause) {
      if (this.#token === token) this.#token = undefined
      throw cause
    }
  }

  /** @throws GrpcFailure */
  async #login(
    connection: Connection,
    { name, password }: { name: string; password: string },
  ): Promise<string> {
    const { deadline } = this.#options
    const message = encodeLogin(name, password)
    const path = '/etcdserverpb.Auth/Authenticate'
    return decoded(
      decodeLogin,
      await connection.call({ path, message, metadata: {}, deadline: LOGIN_SHARE * deadline }),
    )
  }
}

/** etcd hashes a password for a while before it compares it. */
const LOGIN_SHARE = 3

/** @throws OrthrusError `unavailable` */
function decoded<T>(decode: (bytes: Uint8Array) => T, bytes: Uint8Array): T {
  try {
    return decode(bytes)
  } catch (cause) {
    throw explain('its address', cause)
  }
}

import type { LongTermKey } from '../../shared/crypto/keys.js'
import { lockName } from '../../shared/crypto/lock.js'
import { OrthrusError } from '../../shared/errors.js'
import { codeOf } from '../../shared/folder.node.js'
import type { Principal } from '../../shared/principal.js'
import { type Holding, type KeyLock, KeyTaken, lockSocket } from './key-lock.js'
import { lockFile } from './locked-file.js'
import { hasNamedSockets } from './named-socket.js'

const lockKey = hasNamedSockets ? lockSocket : lockFile

interface HeldKey {
  readonly lock: KeyLock
  /** A keytab may have one key under two kvnos. */
  readonly keys: Set<LongTermKey>
}

/** The locks of all keys of one service in this process: no key opens a ticket before its lock is held. */
export class KeyLocks {
  readonly #service: Principal
  readonly #holding: Holding
  readonly #held = new Map<string, HeldKey>()
  /** One after another, so that this process is never taken for another one. */
  #taking: Promise<void> = Promise.resolve()
  #isOver = false

  constructor(service: Principal, holding: Holding) {
    this.#service = service
    this.#holding = holding
  }

  /** @throws OrthrusError `unavailable` if another process of this machine serves under the key */
  take(key: LongTermKey): Promise<void> {
    const taking = this.#taking.then(() => this.#take(key))
    this.#taking = taking.catch(() => {})
    return taking
  }

  async #take(key: LongTermKey): Promise<void> {
    const name = lockName(key)
    const held = this.#held.get(name)
    if (held !== undefined) {
      held.keys.add(key)
      return
    }
    const lock = await this.#lock(name)
    if (this.#isOver) lock.release()
    else this.#held.set(name, { lock, keys: new Set([key]) })
  }

  /** The key opens no ticket any more. */
  drop(key: LongTermKey): void {
    const name = lockName(key)
    const held = this.#held.get(name)
    held?.keys.delete(key)
    if (held === undefined || held.keys.size > 0) return
    held.lock.release()
    this.#held.delete(name)
  }

  /** The service accepts nothing any more. */
  release(): void {
    this.#isOver = true
    for (const { lock } of this.#held.values()) lock.release()
    this.#held.clear()
  }

  async #lock(name: string): Promise<KeyLock> {
    const lock = await lockKey(name, this.#holding).catch((cause: unknown) => {
      throw cannotLock(this.#service, cause)
    })
    if (lock instanceof KeyTaken) throw taken(this.#service, this.#holding, lock)
    return lock
  }
}

const SHARING = {
  alone: ', which shares no replay cache',
  machine: ', which shares the replay cache of the machine',
  shared: ', which shares a replay cache that its program gave',
} as const
const WAY_OUT = 'docs/several-processes.md has the choices'

function taken(service: Principal, own: Holding, { holding, holder }: KeyTaken): OrthrusError {
  if (holding === own && own !== 'alone') {
    return new OrthrusError('unavailable', `too many processes of this machine serve ${service}`, {
      service,
      hint: `give some of them a principal of their own; ${WAY_OUT}`,
    })
  }
  const how = holding === own ? '' : SHARING[holding]
  const way =
    holding === own
      ? "give this one a principal of its own, as orders/2, or share a replay cache among all of them, as with replayCache: { shared: 'machine' }, or with --several-processes of orthrus tunnel serve and orthrus proxy serve"
      : 'all processes of a service must share one replay cache, or none'
  return new OrthrusError(
    'unavailable',
    `${service} is served on this machine already, by ${holder}${how}: two processes would each accept one copy of a request`,
    { service, hint: `end that process first; or ${way}; ${WAY_OUT}` },
  )
}

function cannotLock(service: Principal, cause: unknown): OrthrusError {
  return new OrthrusError(
    'unavailable',
    `nobody can say whether another process of this machine serves ${service}: its lock failed (${codeOf(cause)})`,
    {
      service,
      hint: 'if you make sure that there is none, allowReplayAcrossProcesses: true of loadService goes on without the lock',
      cause,
    },
  )
}

import { malformed, OrthrusError } from '../../shared/errors.js'
import type { Clock } from '../../shared/time.js'
import { inBackground, runAfter, type Timers } from '../../shared/timers.js'
import { type RunScript, runnerOf, type Script } from './clients.js'
import { type RedisReplayCacheOptions, TIMEOUT_DEFAULT } from './options.js'
import type { RedisReports } from './reports.js'
import { MEMORY } from './script.js'
import { elapsedSince, takeReading } from './server-time.js'

/** How many questions may be without an answer. A client keeps them in memory, be it for ever. */
const UNANSWERED_MAX = 4096
const SAFE_POLICY = 'noeviction'

interface LinkParts {
  readonly clock: Clock
  readonly timers: Timers
  readonly reports: RedisReports
  /** The key that stands for all of the service's. */
  readonly state: string
}

/** Asks the server through the user's own client, and believes no answer that comes late. */
export class RedisLink {
  readonly #run: RunScript
  readonly #timeout: number
  readonly #allowEviction: boolean
  readonly #parts: LinkParts
  readonly #timers: Timers
  #unanswered = 0
  /** The epoch in which the server was seen to keep what it has. */
  #goodIn: string | undefined
  #looking: Promise<string | undefined> | undefined

  constructor(
    { client, timeout = TIMEOUT_DEFAULT, allowEviction = false }: RedisReplayCacheOptions,
    parts: LinkParts,
  ) {
    this.#run = runnerOf(client)
    this.#timeout = timeout
    this.#allowEviction = allowEviction
    this.#parts = parts
    this.#timers = inBackground(parts.timers)
  }

  /** @returns undefined if no answer came in time: it may have been done */
  async run<Answer>(
    script: Script,
    keys: string[],
    args: string[],
    read: (said: unknown) => Answer,
  ): Promise<Answer | undefined> {
    const { clock, reports } = this.#parts
    const asked = takeReading(clock)
    try {
      const said = read(await this.#inTime(script, keys, args))
      // A process that stood still finds the answer and the end of its patience at the same time.
      if (elapsedSince(clock, asked) > this.#timeout) throw late()
      reports.answered()
      return said
    } catch (cause) {
      reports.away(cause)
      return undefined
    }
  }

  /** Whether the server keeps what it has when its memory is full, or may remove it. Looked at once an epoch. */
  async isGood(epoch: string): Promise<boolean> {
    if (this.#allowEviction || this.#goodIn === epoch) return true
    const policy = await this.#policy()
    if (policy === SAFE_POLICY) this.#goodIn = epoch
    else if (policy !== undefined) this.#parts.reports.evicts(policy)
    return policy === SAFE_POLICY
  }

  /** @throws OrthrusError `unavailable` if the server says that it removes keys */
  async requireGood(epoch: string): Promise<void> {
    if (this.#allowEviction) return
    const policy = await this.#policy()
    if (policy === SAFE_POLICY) this.#goodIn = epoch
    else if (policy !== undefined) throw evicting(policy)
  }

  #policy(): Promise<string | undefined> {
    this.#looking ??= this.run(MEMORY, [this.#parts.state], [], String).finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  #inTime(script: Script, keys: string[], args: string[]): Promise<unknown> {
    if (this.#unanswered >= UNANSWERED_MAX)
      return Promise.reject(malformed('too many requests are without an answer'))
    this.#unanswered++
    return new Promise((resolve, reject) => {
      const cancel = runAfter(this.#timers, this.#timeout, () => reject(late()))
      this.#run(script, keys, args)
        .then(resolve, reject)
        .finally(() => {
          this.#unanswered--
          cancel()
        })
    })
  }
}

function late(): OrthrusError {
  return malformed('no answer came in time')
}

function evicting(policy: string): OrthrusError {
  return new OrthrusError(
    'unavailable',
    `the Redis server of the replay cache has maxmemory-policy ${policy}: it would forget requests that were accepted when its memory is full`,
    {
      hint: `set it to ${SAFE_POLICY}, or use a server that has it; allowEviction: true of createRedisReplayCache goes on, and has the six seconds of a start whenever something was removed`,
    },
  )
}

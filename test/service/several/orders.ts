import type { LoadServiceOptions } from '../../../service/index.js'

/** Which server keeps the replay cache, and whose client asks it. */
export interface RedisOrder {
  readonly path: string
  readonly client: 'ioredis' | 'redis'
}

/** What a test says to a process that serves. */
export type Order =
  | { readonly serve: LoadServiceOptions; readonly clock?: number; readonly redis?: RedisOrder }
  /** Lets time pass on its clock, milliseconds. */
  | { readonly clock: number }
  | { readonly stop: true }

/** What it answers. */
export interface Told {
  readonly isUp?: true
  readonly data?: unknown
  readonly port?: number
  readonly floor?: number
  readonly now?: number
  readonly stopped?: true
  readonly code?: string
  readonly message?: string
}

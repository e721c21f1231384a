import type { ClaimArgument } from '../arguments.js'
import type { ConnectionOptions } from '../connection.js'
import type { Place } from '../tunnel/place.js'
import type { SharingArguments } from '../tunnel/several-processes.js'
import type { HttpPlace } from './place.js'

/** What `orthrus proxy serve` is told. */

export interface ServeArguments extends ConnectionOptions, SharingArguments {
  readonly listen: Place
  readonly to: HttpPlace
  readonly claim?: ClaimArgument[]
  readonly headerPrefix: string
  readonly strip?: readonly string[]
  readonly openPath?: readonly string[]
  readonly assertionKey?: string
  readonly allowReadableAssertionKey?: boolean
  readonly state?: string
  readonly withoutRevocations?: boolean
  /** Bytes. */
  readonly maxBody: number
  readonly maxResponse: number
  readonly upstreamConnections: number
  /** Default: half of them. */
  readonly upstreamConnectionsPerClient?: number
  readonly websockets: number
  readonly websocketsPerClient: number
  /** Milliseconds. */
  readonly upstreamTimeout: number
  readonly clientTimeout: number
  readonly logLevel: string
}

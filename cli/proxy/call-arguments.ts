import type { ConnectionOptions } from '../connection.js'
import type { Place } from '../tunnel/place.js'
import type { UserArguments } from '../tunnel/user-rule.js'

/** What `orthrus proxy call` is told. */

/** `HOST=SERVICE@URL`. */
export interface Mapping {
  readonly host: string
  readonly service: string
  readonly to: URL
}

export interface CallArguments extends ConnectionOptions, UserArguments {
  readonly listen: Place
  readonly service?: string
  readonly to?: URL
  readonly map?: readonly Mapping[]
  readonly host?: readonly string[]
  readonly allowOtherMachines?: boolean
  readonly unsealed?: boolean
  readonly strip?: readonly string[]
  /** Bytes. */
  readonly maxBody: number
  readonly maxResponse: number
  readonly connections: number
  /** Milliseconds. */
  readonly timeout: number
  readonly logLevel: string
}

import * as FLAG from './constants/flags.js'
import * as LABEL from './constants/labels.js'
import * as LIMIT from './constants/limits.js'
import * as SCRYPT from './constants/scrypt.js'
import * as SIZE from './constants/sizes.js'
import * as TYPE from './constants/types.js'
import * as WINDOW from './constants/windows.js'

/**
 * The numbers and words of the protocol, each stated once (docs/protocol.md). Times are milliseconds. Those that have a kind are in a
 * module for each kind: of an object a bundler would keep all members, and of a module it writes the number where it is used.
 */

export { FLAG, LABEL, LIMIT, SCRYPT, SIZE, TYPE, WINDOW }

export const VERSION = 1

/** The WebSocket subprotocol (section 3). */
export const SUBPROTOCOL = 'orthrus.v1'

export type MessageType = (typeof TYPE)[keyof typeof TYPE]

/**
 * Every purpose that a key may be expanded for: a closed list (section 2). `lock` is for what the processes of one
 * service on one machine have to do with each other. Its result is never sent.
 */
export const USAGES = [
  'as-req',
  'as-rep',
  'ticket',
  'chain',
  'auth',
  'tgs-req',
  'tgs-rep',
  'ap-req',
  'ap-rep',
  'error',
  'channel',
  'client-to-service',
  'service-to-client',
  'hand-off',
  'ratchet',
  'lock',
] as const
export type Usage = (typeof USAGES)[number]

export const FLAGS_DEFINED = FLAG.DELEGABLE | FLAG.PASSWORD

/** Bit 0 of `options`: renewable in an AS-REQ, renew the TGT in a TGS-REQ (section 3). */
export const OPTION_RENEW = 1
export const OPTIONS_DEFINED = OPTION_RENEW

/** How many opened channels of one ticket may wait for their first record (section 9). */
export const CHANNELS_WAITING = 16

/** The share of a service's replay cache that one client may fill (section 8). */
export const REPLAY_SHARE = 1 / 4

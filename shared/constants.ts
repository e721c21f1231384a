/** The numbers and words of the protocol, each stated once (docs/protocol.md). Times are milliseconds. */

export const VERSION = 1

/** The WebSocket subprotocol (section 3). */
export const SUBPROTOCOL = 'orthrus.v1'

/** Message types (section 3). */
export const TYPE = {
  AS_REQ: 0x01,
  AS_REP: 0x02,
  TGS_REQ: 0x03,
  TGS_REP: 0x04,
  ERROR: 0x05,
  ERROR_AUTHENTICATED: 0x06,
  TICKET: 0x07,
  AP_REQ: 0x08,
  AP_REP: 0x09,
  AP_OPEN: 0x0a,
  AP_ACCEPT: 0x0b,
  RECORD: 0x0c,
  PARAMS_REQ: 0x0d,
  PARAMS_REP: 0x0e,
} as const
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

/** Texts at the start of what is hashed, MAC'd or bound as aad. Within each of these uses all of them differ. */
export const LABEL = {
  EXPAND: 'orthrus/1 ',
  SALT: 'orthrus/1 salt',
  CAVEAT: 'orthrus/1 caveat',
  BOTH: 'orthrus/1 both',
  HAND_OFF: 'orthrus/1 hand-off',
  HTTP_REQUEST: 'orthrus/1 http',
  HTTP_RESPONSE: 'orthrus/1 http-response',
  CHANNEL: 'orthrus/1 channel',
  NEXT_KEY: 'orthrus/1 next-key',
  LOCK_NAME: 'orthrus/1 lock name',
  STATE: 'orthrus/1 state',
  SHARED_CACHE: 'orthrus/1 shared cache',
} as const

/** Sizes in bytes. */
export const SIZE = {
  KEY: 32,
  MAC: 32,
  NONCE: 16,
  DIGEST: 32,
  SEAL_NONCE: 24,
  TAG: 16,
  TICKET_ID: 16,
  CLIENT_ID: 8,
  LOG_ID: 16,
  MARK: 8,
  SALT: 16,
  KEY_SALT: 32,
  CHECK: 4,
  REPLAY_ID: 16,
} as const

/** Limits on what is received (section 3). */
export const LIMIT = {
  MESSAGE_BYTES: 64 * 1024,
  TICKET_BYTES: 4 * 1024,
  SERVICES: 32,
  CAVEATS: 16,
  CAVEATS_BYTES: 2 * 1024,
  CLAIMS: 32,
  CLAIMS_BYTES: 2 * 1024,
  DEPTH: 8,
  AUTHORIZATION_BYTES: 8 * 1024,
} as const

/** Bits of a ticket's `flags` (section 4). */
export const FLAG = { DELEGABLE: 1, PASSWORD: 2 } as const
export const FLAGS_DEFINED = FLAG.DELEGABLE | FLAG.PASSWORD

/** Bit 0 of `options`: renewable in an AS-REQ, renew the TGT in a TGS-REQ (section 3). */
export const OPTION_RENEW = 1
export const OPTIONS_DEFINED = OPTION_RENEW

/** Windows of time, in milliseconds. */
export const WINDOW = {
  /** How far a request's time may be from the KDC's (sections 6 and 7). */
  KDC_SKEW: 120_000,
  /** How old the login may be with which a principal changes its own key (section 12). */
  FRESH_LOGIN: 300_000,
  /** How far back a service accepts (section 8). */
  SERVICE_PAST: 60_000,
  /** How far ahead a service accepts (section 8). */
  SERVICE_FUTURE: 5_000,
  /** A service's allowance before a ticket's startTime (section 4). */
  START_ALLOWANCE: 60_000,
  /** A ticket that ended this long ago is refused before the request is recorded (section 8, step 4). */
  EXPIRED_UNRECORDED: 5_000,
  /** A floor this far ahead of the clock means that the clock was set back (section 8, step 4). */
  FLOOR_AHEAD: 7_000,
  /** How far above the clock the floor is when a service starts (section 8). */
  FLOOR_AT_START: 6_000,
  /** How far the wall and monotonic clocks may drift apart between two requests (section 8). */
  CLOCKS_PART: 1_000,
  /** How long a body may take to arrive after the replay check (section 8, step 9). */
  BODY: 60_000,
  /** How long an opened channel waits for the client's first record (section 9). */
  CHANNEL_FIRST_RECORD: 5_000,
  /** How often a side of a channel looks whether it must send an empty record (section 9). */
  CHANNEL_HEARTBEAT: 15_000,
  /** A side of a channel that was not heard in this many looks, as a time, is gone (section 9). */
  CHANNEL_SILENCE: 45_000,
} as const

/** How many opened channels of one ticket may wait for their first record (section 9). */
export const CHANNELS_WAITING = 16

/** The share of a service's replay cache that one client may fill (section 8). */
export const REPLAY_SHARE = 1 / 4

/** Bounds on the parameters a client accepts for a password (section 8). */
export const SCRYPT = { LOG2N: 17, LOG2N_MAX: 20, R: 8, P: 1 } as const

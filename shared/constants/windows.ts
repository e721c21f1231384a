/** Windows of time, in milliseconds. */

/** How far a request's time may be from the KDC's (sections 6 and 7). */
export const KDC_SKEW = 120_000
/** How old the login may be with which a principal changes its own key (section 12). */
export const FRESH_LOGIN = 300_000
/** How far back a service accepts (section 8). */
export const SERVICE_PAST = 60_000
/** How far ahead a service accepts (section 8). */
export const SERVICE_FUTURE = 5_000
/** A service's allowance before a ticket's startTime (section 4). */
export const START_ALLOWANCE = 60_000
/** A ticket that ended this long ago is refused before the request is recorded (section 8, step 4). */
export const EXPIRED_UNRECORDED = 5_000
/** A floor this far ahead of the clock means that the clock was set back (section 8, step 4). */
export const FLOOR_AHEAD = 7_000
/** How far above the clock the floor is when a service starts (section 8). */
export const FLOOR_AT_START = 6_000
/** How far the wall and monotonic clocks may drift apart between two requests (section 8). */
export const CLOCKS_PART = 1_000
/** How long a body may take to arrive after the replay check (section 8, step 9). */
export const BODY = 60_000
/** How long an opened channel waits for the client's first record (section 9). */
export const CHANNEL_FIRST_RECORD = 5_000
/** How often a side of a channel looks whether it must send an empty record (section 9). */
export const CHANNEL_HEARTBEAT = 15_000
/** A side of a channel that was not heard in this many looks, as a time, is gone (section 9). */
export const CHANNEL_SILENCE = 45_000

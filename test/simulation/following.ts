import { leaveKdc, openKdcChannel } from '../../client/channel/kdc-channel.js'
import type { Realm } from '../../client/realm.js'
import type { KeyKeeper } from '../../client/rotation/key-keeper.js'
import { REVOCATIONS_MAX } from '../../service/feed/revoked-set.js'
import { ServiceFeed } from '../../service/feed/service-feed.js'
import { ServiceKeys } from '../../service/keys.js'
import { PeersWithoutTicket } from '../../service/request/peers-without-ticket.js'
import { createService, type Service } from '../../service/request/service.js'
import { ServiceTicketOpener } from '../../service/ticket-opener.js'
import type { ReplayCache } from '../../shared/accept/replay.js'
import { OrthrusError } from '../../shared/errors.js'
import { realmOf } from '../../shared/principal.js'
import { MINUTE } from '../../shared/time.js'
import type { Random } from '../support/random.js'
import { silentTelemetry } from '../support/telemetry.js'
import { type Holder, keepKey } from './holder.js'
import type { MachineClock } from './timeline.js'

/** A service that follows what the KDC revokes and changes its own key, as `loadService` does for one that has a file. */

export const MAX_STALENESS = 10 * MINUTE

export interface FollowingOptions {
  readonly holder: Holder
  readonly clock: MachineClock
  readonly random: Random
  readonly replayCache: ReplayCache
  /** Connects as the service itself. */
  readonly connect: (keytab: string) => Promise<Realm>
  readonly note: (line: string) => void
}

export interface Following {
  readonly service: Service
  readonly feed: ServiceFeed
  /** Its process is gone. */
  stop(): void
}

export function follow({ holder, clock, random, replayCache, connect, note }: FollowingOptions): Following {
  const { entries } = holder
  const [{ principal } = noKey()] = entries
  const keys = new ServiceKeys(entries)
  let realm: Realm | undefined
  let keeper: KeyKeeper | undefined
  let isOver = false
  const take = (held: readonly { kvno: number; key: (typeof entries)[number]['key'] }[]): void => {
    for (const kvno of keys.kvnos) if (!held.some(one => one.kvno === kvno)) keys.drop(kvno)
    for (const { kvno, key } of held) if (keys.get(kvno) === undefined) keys.add(kvno, key)
  }
  const connected = async (): Promise<Realm> => {
    if (realm !== undefined) return realm
    const made = await connect(holder.text)
    if (isOver || realm !== undefined) {
      made.close()
      throw new OrthrusError('unavailable', 'the process is gone')
    }
    realm = made
    keeper = keepKey(made, holder, clock, random, note, take)
    return made
  }
  const feed = new ServiceFeed({
    service: principal,
    keys,
    clock,
    timers: clock,
    report: () => {},
    fraction: () => random.between(0, 1_000_000) * 1e-6,
    maxStaleness: MAX_STALENESS,
    maxRevocations: REVOCATIONS_MAX,
    startWithoutFeed: false,
    saved: undefined,
    open: async ({ onEvent, onEnd }) =>
      openKdcChannel(await connected(), { onEvent, onEnd, isInBackground: true }),
    onLost: cause => realm && leaveKdc(realm, cause),
    onRotate: () => keeper?.ask(),
  })
  const service = createService({
    principal,
    realm: realmOf(principal),
    keys,
    tickets: new ServiceTicketOpener({ service: principal, keys, clock, entries: 1 }),
    replayCache,
    clock,
    timers: clock,
    report: () => {},
    revocation: feed,
    background: { feed: feed.state, keyFact: () => undefined, close: async () => {} },
    closing: { isClosed: false, ends: new Set() },
    withoutTicket: new PeersWithoutTicket(clock, () => {}),
    ...silentTelemetry(principal),
    ended: async () => {},
    hasKeyFor: async () => false,
  })
  return {
    service,
    feed,
    stop: () => {
      isOver = true
      feed.close()
      realm?.close()
    },
  }
}

function noKey(): never {
  throw new Error('a keytab without a key')
}

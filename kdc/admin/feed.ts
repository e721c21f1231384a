import { encodeEvent, type KdcEvent } from '../../shared/channel/calls.js'
import { malformed, OrthrusError } from '../../shared/errors.js'
import {
  decodeFollow,
  decodeSeen,
  encodeLogState,
  type FeedMethod,
  type FeedPosition,
  KDC_EVENT,
  type LogState,
} from '../../shared/revocation/feed.js'
import type { Follower } from '../feed/follower.js'
import { surviveEvent } from '../feed/survive-event.js'
import { dueOf, keyLife } from '../realm/key-changes.js'
import type { AdminContext, CallingChannel } from './context.js'
import { type Method, method, NO_RESULTS } from './method.js'

/** The methods for followers of the revocation log, who need nothing but a channel (docs/protocol.md section 10). */

/** Begins to follow; entries come behind the answer. @throws OrthrusError `malformed` a second time */
async function follow({ realm, calling }: AdminContext, position: FeedPosition | null): Promise<LogState> {
  const { feed, directory, record, time } = realm
  const own = requireChannel(calling)
  if (own.follower !== undefined) throw malformed('this channel follows already')
  own.follower = await feed.follow(own.channel, position)
  // The channel may have ended before it knew that it follows.
  if (own.channel.isOver) feed.leave(own.follower)
  const { principal } = own.channel
  const known = await directory.principal(principal)
  const due = known === undefined ? null : dueOf(known, keyLife(record.rotation, principal))
  if (due !== null && due <= time.now()) own.follower.tell(encodeEvent(ROTATE))
  const { survive } = realm.record
  if (survive !== null) own.follower.tell(encodeEvent(surviveEvent(survive)))
  return feed.state()
}

/** The follower's own key is due to change (section 12). */
export const ROTATE: KdcEvent = { name: KDC_EVENT.ROTATE, fields: [] }

function requireChannel(calling: CallingChannel | undefined): CallingChannel {
  if (calling !== undefined) return calling
  throw new OrthrusError('not_authorized', 'only a channel can follow the revocation log')
}

/** @throws OrthrusError `malformed` */
function requireFollower({ calling }: AdminContext): Follower {
  const { follower } = requireChannel(calling)
  if (follower !== undefined) return follower
  throw malformed('this channel does not follow the revocation log: call follow first')
}

export const FEED_METHODS_BY_NAME = {
  follow: method({
    callers: 'anybody',
    reads: false,
    decode: decodeFollow,
    run: async (context, position) => encodeLogState(await follow(context, position)),
  }),
  alive: method({
    callers: 'anybody',
    reads: false,
    decode: requireNone,
    run: async context => encodeLogState(await context.realm.feed.alive(requireFollower(context))),
  }),
  seen: method({
    callers: 'anybody',
    reads: false,
    decode: decodeSeen,
    run: (context, seq) => {
      context.realm.feed.seen(requireFollower(context), seq)
      return NO_RESULTS
    },
  }),
} satisfies Record<FeedMethod, Method>

function requireNone(args: readonly unknown[]): void {
  if (args.length > 0) throw malformed(`${args.length} fields instead of 0`)
}

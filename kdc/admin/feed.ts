import { malformed, OrthrusError } from '../../shared/errors.js'
import {
  decodeFollow,
  decodeSeen,
  encodeLogState,
  type FeedMethod,
  type FeedPosition,
  type LogState,
} from '../../shared/revocation/feed.js'
import type { Follower } from '../feed/follower.js'
import type { AdminContext, CallingChannel } from './context.js'
import { type Method, method, NO_RESULTS } from './method.js'

/** The methods for followers of the revocation log, who need nothing but a channel (docs/protocol.md section 10). */

/** Begins to follow; entries come behind the answer. @throws OrthrusError `malformed` a second time */
async function follow(
  { realm: { feed }, calling }: AdminContext,
  position: FeedPosition | null,
): Promise<LogState> {
  const own = requireChannel(calling)
  if (own.follower !== undefined) throw malformed('this channel follows already')
  own.follower = await feed.follow(own.channel, position)
  return feed.state()
}

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
    run: async (context, seq) => {
      context.realm.feed.seen(requireFollower(context), seq)
      return NO_RESULTS
    },
  }),
} satisfies Record<FeedMethod, Method>

function requireNone(args: readonly unknown[]): void {
  if (args.length > 0) throw malformed(`${args.length} fields instead of 0`)
}

import { fractionFrom } from '../../shared/crypto/fraction.js'
import { systemRandom } from '../../shared/crypto/random.js'
import type { KeytabEntry } from '../../shared/keytab/keytab.js'
import type { Logger } from '../../shared/logger.js'
import type { Principal } from '../../shared/principal.js'
import type { KeyFile } from '../key-file.js'
import type { ServiceKeys } from '../keys.js'
import type { Report } from '../report/events.js'
import type { Background } from '../request/state.js'
import { requireFeedPlace, takeSavedFeed, writeSavedFeed } from './feed-file.js'
import type { FeedSettings } from './feed-options.js'
import { KdcFeed } from './kdc-feed.js'
import { KeyFacts } from './key-facts.js'
import { dropFromKeytab, type KeytabDropOptions } from './keytab-drop.js'
import type { SavedFeed } from './saved-feed.js'
import { ServiceFeed } from './service-feed.js'

export interface StartFeedOptions extends FeedSettings, KeytabDropOptions {
  /** The service's own, from its keytab. */
  readonly entries: readonly KeytabEntry[]
  readonly allowReadableKeytab: boolean
  /** Whether the key is changed in the keytab when it is due. */
  readonly rotates: boolean
  readonly keyFile: KeyFile
  readonly keys: ServiceKeys
  readonly logger: Logger
  readonly report: Report
}

export interface StartedFeed {
  readonly revocation: ServiceFeed
  readonly background: Background
}

/**
 * Begins to follow what the KDC revokes, and does not wait for it.
 * @throws OrthrusError `keytab_invalid` if there is no folder for `feedFile`
 * @throws TypeError if `kdc` is not a URL of a KDC
 */
export async function startFeed(options: StartFeedOptions): Promise<StartedFeed> {
  const { feedFile, report, service, keyFile } = options
  const fraction = fractionFrom(systemRandom)
  const keyFacts = new KeyFacts(options.keys, options.clock)
  const kdc = new KdcFeed({
    ...options,
    fraction,
    keyFacts,
    onKeys: (entries, told) => {
      keyFile.take(entries)
      keyFacts.take(told)
    },
  })
  if (feedFile !== undefined) await requireFeedPlace(feedFile)
  const saved = feedFile === undefined ? undefined : await load(feedFile, service, report)
  // One change of the keytab after another.
  let dropping = Promise.resolve()
  const drop = (lastKvno: number): void => {
    dropping = dropping
      .then(() => dropFromKeytab(options, lastKvno))
      .catch((err: unknown) => report({ kind: 'key_not_dropped', err }))
  }
  const feed = new ServiceFeed({
    ...options,
    saved,
    hasSeveral: kdc.hasSeveral,
    open: events => kdc.open(events),
    onLost: cause => kdc.leave(cause),
    onKeyRevoked: kvno => {
      keyFile.revoke(kvno)
      drop(kvno)
    },
    onRotate: () => kdc.rotate(),
    fraction,
  })
  return {
    revocation: feed,
    background: {
      get feed() {
        return feed.state
      },
      keyFact: kvno => keyFacts.of(kvno),
      close: async () => {
        const left = feed.close()
        kdc.close()
        await dropping
        if (feedFile !== undefined && left !== undefined) await save(feedFile, left, report)
      },
    },
  }
}

/** Whatever is wrong with the file, the service starts, and waits for a KDC. */
async function load(path: string, service: Principal, report: Report): Promise<SavedFeed | undefined> {
  try {
    return await takeSavedFeed(path, service)
  } catch (err) {
    report({ kind: 'feed_not_loaded', err })
    return undefined
  }
}

async function save(path: string, left: SavedFeed, report: Report): Promise<void> {
  try {
    await writeSavedFeed(path, left)
  } catch (err) {
    report({ kind: 'feed_not_saved', err })
  }
}

import { cliEntries } from './entries/cli.js'
import { clientEntries } from './entries/client.js'
import { feedEntries } from './entries/feed.js'
import { kdcEntries } from './entries/kdc.js'
import { kdcChannelEntries } from './entries/kdc-channel.js'
import { kdcConnectionEntries } from './entries/kdc-connection.js'
import { messageEntries } from './entries/messages.js'
import { sealedStreamEntries } from './entries/sealed-streams.js'
import { serviceEntries } from './entries/service.js'
import { sharedCacheEntries } from './entries/shared-cache.js'
import { stateEntries } from './entries/state.js'
import { storeEntries } from './entries/store.js'
import { textEntries } from './entries/texts.js'
import type { Entry } from './entry.js'

/** Every place where bytes or text come in from outside, in one table. */
export async function allEntries(): Promise<{ entries: Entry[]; end: () => void }> {
  const [store, cli] = [await storeEntries(), cliEntries()]
  const entries = [
    ...messageEntries,
    ...textEntries,
    ...sealedStreamEntries,
    ...(await kdcEntries()),
    ...(await kdcChannelEntries()),
    ...(await kdcConnectionEntries()),
    ...store.entries,
    ...clientEntries(),
    ...(await serviceEntries()),
    ...feedEntries,
    ...stateEntries,
    ...sharedCacheEntries,
    ...cli.entries,
  ]
  const end = (): void => {
    store.end()
    cli.end()
  }
  return { entries, end }
}

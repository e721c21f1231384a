import { auditEntries } from './entries/audit.js'
import { backupEntries } from './entries/backup.js'
import { cliEntries } from './entries/cli.js'
import { clientEntries } from './entries/client.js'
import { etcdEntries } from './entries/etcd.js'
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

/** What is read is taken or refused as its contract says. */
export async function formEntries() {
  const [store, backup, cli, audit] = [await storeEntries(), backupEntries(), cliEntries(), auditEntries()]
  const groups = {
    messages: messageEntries,
    sealedBodies: sealedStreamEntries,
    texts: textEntries,
    store: store.entries,
    etcd: etcdEntries(),
    backup: backup.entries,
    serviceFiles: stateEntries,
    sharedCache: sharedCacheEntries,
    commandLine: cli.entries,
    audit: audit.entries,
  } satisfies EntryGroups
  const end = (): void => {
    store.end()
    backup.end()
    cli.end()
    audit.end()
  }
  return { groups, end }
}

/** A party goes on as it was, whatever comes from another. */
export async function partyEntries() {
  return {
    kdc: [...(await kdcEntries()), ...(await kdcChannelEntries()), ...(await kdcConnectionEntries())],
    service: await serviceEntries(),
    client: clientEntries(),
    feed: feedEntries,
  } satisfies EntryGroups
}

/** By where their input comes from. A test that names them all cannot leave out one of them. */
type EntryGroups = Readonly<Record<string, readonly Entry[]>>

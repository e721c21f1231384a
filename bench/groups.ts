import { measureChannel } from './channel.js'
import { measureAcknowledgements } from './cluster/acknowledgement.js'
import { hasEtcd } from './cluster/etcd.js'
import { measureStores } from './cluster/stores.js'
import { measureCommands } from './commands/group.js'
import { measureExchanges } from './exchanges/group.js'
import type { Group } from './figures.js'
import { measureFirstCalls } from './first-call/group.js'
import { measureFollowers } from './followers/group.js'
import { measureHttp } from './http/group.js'
import { measureKdcOptions } from './kdc-options/group.js'
import { measurePresentations } from './presentation/group.js'
import { measureReplayCache } from './replay.js'
import { measureRevocation } from './revocation/group.js'
import type { Settings } from './settings.js'
import { measureStarts } from './start/group.js'
import { measureStreams } from './streams/group.js'
import { measureTunnel } from './tunnel/group.js'
import { measureVersions, VERSIONS } from './versions/group.js'

/** Everything that is measured, in the order of the report. */
export const GROUPS: ReadonlyMap<string, (settings: Settings) => Promise<Group>> = new Map([
  ['presentations', measurePresentations],
  ['http', measureHttp],
  ['first-call', measureFirstCalls],
  ['processes', measureCommands],
  ['exchanges', measureExchanges],
  ['kdc-options', measureKdcOptions],
  ['stores', measureStores],
  ['acknowledgement', measureAcknowledgements],
  ['followers', measureFollowers],
  ['revocation', measureRevocation],
  ['start', measureStarts],
  ['replay', measureReplayCache],
  ['channel', measureChannel],
  ['streams', measureStreams],
  ['tunnel', measureTunnel],
  [VERSIONS, measureVersions],
])

const ON_ETCD: ReadonlySet<string> = new Set(['stores', 'acknowledgement'])

/** Why a group is left out; `undefined` if it is not. */
export function whyLeftOut(name: string, { nodes }: Settings): string | undefined {
  if (ON_ETCD.has(name) && !hasEtcd) return 'etcd is not installed (etcd-server of Debian)'
  if (name !== VERSIONS || nodes.length > 0) return undefined
  return 'other versions of Node are measured with --node PATH, once for each'
}

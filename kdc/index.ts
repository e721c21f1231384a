/** `orthrus/kdc`: embed a KDC. */

export type { RealmLifetimes } from '../shared/administration/realm.js'
export { type RandomSource, systemRandom } from '../shared/crypto/random.js'
export { type ErrorCode, type ErrorFacts, OrthrusError } from '../shared/errors.js'
export { formatKeytab, type KeytabEntry } from '../shared/keytab/keytab.js'
export type { Logger } from '../shared/logger.js'
export type { KdcExchangeEvent } from '../shared/telemetry/kdc-exchange.js'
export { type Clock, systemClock } from '../shared/time.js'
export { DATA_FILES } from './data-files.js'
export { DEFAULT_LIMITS, type Limits, type Rate } from './limits/defaults.js'
export {
  type AuditSettings,
  type AuditState,
  type KdcData,
  type KdcOptions,
  type KdcSettings,
  type LocalAdministration,
  type RunningKdc,
  startKdc,
} from './main.js'
export type { PrincipalKind, PrincipalStanding } from './metrics/census.js'
export type { Distribution } from './metrics/distribution.js'
export type { OperationUse, StoreOperation } from './metrics/measured-store.js'
export type { ClosingReason, Counts, RefusalReason } from './metrics/meter.js'
export type {
  AuditUse,
  DatabaseUse,
  DiskUse,
  ExchangeUse,
  KdcMetrics,
  PrincipalsUse,
  ReplicaUse,
} from './metrics/numbers.js'
export type { Readiness, ReadinessCheck, ReadinessProblem } from './metrics/readiness.js'
export { type CreateRealmOptions, createRealm } from './realm/create-realm.js'
export type { CacheUse } from './realm/record-cache.js'
export type { AnswerCode, MeasuredExchange, RequestLimit } from './report/measures.js'
export type { RecordChange } from './report/record-change.js'
export { type LevelStoreOptions, openLevelStore } from './store/level/store.js'
export { createMemoryStore } from './store/memory.js'
export {
  type Change,
  type Listed,
  type Page,
  RECORD_KIND,
  type RecordKind,
  type Store,
  StoreConflict,
  type Stored,
  type WatchListener,
} from './store/store.js'
export type { TlsIdentity } from './transport/tls.js'
export { createMasterKey, MasterKey, type MasterKeyFileOptions, readMasterKey } from './vault/master-key.js'
export type { MasterKeyPlace } from './vault/master-key-place.js'
export type { MasterKeys } from './vault/sealed-records.js'
export { type Rewrap, Vault, type VaultOptions } from './vault/vault.js'

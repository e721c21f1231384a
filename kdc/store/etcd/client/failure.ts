import { OrthrusError } from '../../../../shared/errors.js'
import { GrpcFailure, STATUS } from './grpc.js'

/** What etcd says when it does not do what it was asked for, in words that say what to do. */

/** Whether another member may do what this one did not. */
export function isOfMember({ status }: GrpcFailure): boolean {
  return status === STATUS.UNAVAILABLE || status === STATUS.DEADLINE_EXCEEDED
}

/** Whether the token that was shown counts no longer. Nothing was done then. */
export function isOfToken({ status, message }: GrpcFailure): boolean {
  return status === STATUS.UNAUTHENTICATED || /invalid auth token|revision of auth store is old/.test(message)
}

/** Whether what was asked for is older than what etcd still has. */
export function isCompacted(cause: unknown): boolean {
  const failure = cause instanceof OrthrusError ? cause.cause : cause
  return failure instanceof GrpcFailure && failure.status === STATUS.OUT_OF_RANGE
}

/** Whether a lease that was named has ended. */
export function isLeaseGone(cause: unknown): boolean {
  const failure = cause instanceof OrthrusError ? cause.cause : cause
  return failure instanceof GrpcFailure && failure.status === STATUS.NOT_FOUND
}

/** [what etcd says, what to do about it]; the first that fits. */
const ADVICE: readonly (readonly [RegExp, string])[] = [
  [
    /database space exceeded/,
    'etcd is full and takes no change: have it compacted (etcdctl compact), defragment each member (etcdctl defrag), then etcdctl alarm disarm; or give it a larger --quota-backend-bytes',
  ],
  [
    /no leader|leader changed/,
    'most members of etcd must be up and reach each other: etcdctl endpoint status',
  ],
  [/authentication failed/, 'check the user and its password: --etcd-user, ORTHRUS_ETCD_PASSWORD'],
  [/user name is empty/, 'this etcd wants a user: --etcd-user, with its password in ORTHRUS_ETCD_PASSWORD'],
  [
    /permission denied/,
    'the user of etcd must read and write everything under the place of the realm: etcdctl role grant-permission ROLE --prefix=true readwrite PLACE/',
  ],
  [
    /request is too large/,
    'etcd takes 1.5 MiB in one change, unless --max-request-bytes says otherwise: make it in parts',
  ],
  [/too many operations/, 'etcd must take 128 operations in one change: its --max-txn-ops was set lower'],
  [/corrupt/, 'a member of etcd is damaged: replace it'],
  [/certificate|self.signed|altnames/i, 'check the names in its certificate, and --etcd-ca'],
]

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}

/** @param where the member, or all members that were tried */
export function explain(where: string, cause: unknown): OrthrusError {
  if (cause instanceof OrthrusError && cause.code === 'unavailable') return cause
  // Whoever asks the KDC has said nothing that is malformed, and must not hear so.
  const reason =
    cause instanceof OrthrusError ? `its answer cannot be read: ${cause.reason}` : reasonOf(cause)
  const hint =
    ADVICE.find(([said]) => said.test(reason))?.[1] ?? 'is etcd running there, and reached from here?'
  return new OrthrusError('unavailable', `etcd at ${where}: ${reason}`, { cause, hint })
}

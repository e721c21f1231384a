import type { Logger } from '../../shared/logger.js'
import type { ReplicaNotice } from '../store/store.js'

/** What becomes of a KDC among those that share its store, in words. */
export const REPLICA_WORDS: Readonly<
  Record<ReplicaNotice['kind'], { readonly level: keyof Logger; readonly message: string }>
> = {
  joined: {
    level: 'info',
    message: 'this KDC has a place among those that share the store, and begins with nothing in memory',
  },
  lost: {
    level: 'warn',
    message: 'this KDC may not have seen all changes, and grants nothing until it knows',
  },
  current: { level: 'info', message: 'this KDC has seen all changes, and grants tickets' },
  put_out: {
    level: 'warn',
    message:
      'another KDC did not apply a change in time and lost its place: it grants nothing until it has seen all changes',
  },
  restored: {
    level: 'error',
    message:
      'etcd has gone back to what it was before: acknowledged changes are lost, revocations among them; this KDC grants nothing until it is started again',
  },
}

/** What there is to know about it besides. */
export function factsOfNotice({ kind, ...facts }: ReplicaNotice): object {
  return facts
}

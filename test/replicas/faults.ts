import type { DeliberateFault } from '../deliberate-faults.js'

const REPLICA_TEST = 'test/kdc/store/etcd/replica.test.ts'

/** Where the simulation meets what a fault needs too rarely, a test of that very timing notices it. */
export interface ReplicaFault extends DeliberateFault {
  readonly noticedBy?: `test/kdc/${string}.test.ts`
}

/** Faults that somebody could easily make; with each, a KDC grants what was acknowledged as taken away. */
export const FAULTS: readonly ReplicaFault[] = [
  {
    name: 'a change is acknowledged as soon as it is stored',
    file: 'kdc/realm/realm-writer.ts',
    from: '      const ids = await this.#vault.settled()\n',
    to: '      const ids: readonly string[] = []\n',
  },
  {
    name: 'nobody waits for a KDC whose key is gone',
    file: 'kdc/store/etcd/membership.ts',
    from: 'const wait = at + REPLICA.GONE_FOR - now',
    to: 'const wait = 0 * (at + now)',
    noticedBy: REPLICA_TEST,
  },
  {
    name: 'a KDC that has just taken its place takes nobody to have lost one before',
    file: 'kdc/store/etcd/membership.ts',
    from: 'const unknown = this.#knownSince + REPLICA.GONE_FOR - now',
    to: 'const unknown = 0',
    noticedBy: REPLICA_TEST,
  },
  {
    name: 'a KDC looks at the others before it has heard of the change',
    file: 'kdc/store/etcd/settle.ts',
    from: 'const isApplied = applied() >= revision',
    to: 'const isApplied = applied() >= 0',
    noticedBy: REPLICA_TEST,
  },
  {
    name: 'a KDC is confirmed whatever the last change is',
    file: 'kdc/store/etcd/currency.ts',
    from: '    if (last <= applied) this.#confirm(sent)\n',
    to: '    if (last <= applied || last > 0) this.#confirm(sent)\n',
    noticedBy: REPLICA_TEST,
  },
  {
    name: 'a KDC is confirmed whose key is gone',
    file: 'kdc/store/etcd/replica.ts',
    from: "      if (own === undefined) return this.#startOver('its key was gone from etcd')\n      watching.place.found(own)\n",
    to: '      if (own !== undefined) watching.place.found(own)\n',
  },
  {
    name: 'a confirmation counts from its answer',
    file: 'kdc/store/etcd/replica.ts',
    from: 'this.#currency.answered(sent, last, watching.applied)',
    to: 'this.#currency.answered(nowBy(clock), last, watching.applied)',
    noticedBy: REPLICA_TEST,
  },
  {
    name: 'a KDC answers for three seconds from its last confirmation',
    file: 'kdc/store/etcd/currency.ts',
    from: 'return since < REPLICA.CURRENT_FOR && this.#clock.now() - this.#wall < REPLICA.CURRENT_FOR',
    to: 'return since < 3 * REPLICA.CURRENT_FOR',
  },
  {
    name: 'a KDC that watches again remembers what it had',
    file: 'kdc/store/etcd/watching.ts',
    from: '    const done = apply(EVERYTHING_CHANGED)\n',
    to: '    const done = apply([])\n',
  },
  {
    name: 'a KDC that has only just taken its place says that it has applied everything',
    file: 'kdc/store/etcd/place.ts',
    from: '    const value = encodeApplied(0, told)\n',
    to: '    const value = encodeApplied(LEFT, told)\n',
    noticedBy: REPLICA_TEST,
  },
  {
    name: 'a change counts as applied before it is read',
    file: 'kdc/store/etcd/watching.ts',
    from: 'Promise.all([before, done]).then(',
    to: 'Promise.all([before]).then(',
  },
  {
    name: 'a KDC seals what it decided from records that have changed since',
    file: 'kdc/realm/decide.ts',
    from: '    if (view.isCurrent()) {',
    to: '    if (view.isCurrent() || attempts > 0) {',
    noticedBy: 'test/kdc/realm/decide.test.ts',
  },
  {
    name: 'a KDC does not ask whether it has seen all changes',
    file: 'kdc/realm/directory.ts',
    from: 'if (replica !== undefined && !replica.isCurrent()) throw notCurrent(replica)',
    to: 'if (replica?.id === undefined && replica !== undefined) throw notCurrent(replica)',
  },
]

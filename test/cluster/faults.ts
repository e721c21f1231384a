import type { DeliberateFault } from '../deliberate-faults.js'
import type { Rule } from './history.js'

/** A fault in what makes several KDCs one, and how the checker reports it. */
export interface ClusterFault extends DeliberateFault {
  readonly says: readonly Rule[]
  /** Of the acts in which it shows, parts of their names. */
  readonly acts: readonly string[]
}

const HANGS = 'take while a watch hangs'
const CUT = 'take while a KDC is cut off from etcd'

export const FAULTS: readonly ClusterFault[] = [
  {
    name: 'a change is acknowledged before the other KDCs have it',
    file: 'kdc/realm/realm-writer.ts',
    from: '      const ids = await this.#vault.settled()\n',
    to: '      const ids: readonly string[] = []\n      void this.#vault.settled().catch(() => {})\n',
    says: ['late grant'],
    acts: [HANGS],
  },
  {
    name: 'a KDC confirms itself though etcd does not answer',
    file: 'kdc/store/etcd/replica.ts',
    from: '    this.#confirmations += 1\n',
    to: '    this.#confirmations += 1\n    this.#currency.answered(sent, 0, watching.applied)\n',
    // A service that asks such a KDC whether it is alive waits in vain.
    says: ['late grant', 'failed call'],
    acts: ['take while what etcd sends is held up', 'take while only etcd hears'],
  },
  {
    name: 'nobody waits for a KDC whose place has just ended',
    file: 'kdc/store/etcd/membership.ts',
    from: '      if (before.applied !== LEFT) this.#gone.set(id, { ...before, at: now })\n',
    to: '',
    says: ['late grant'],
    acts: [HANGS],
  },
  {
    name: 'a KDC answers from memory for ten seconds after it was confirmed',
    file: 'kdc/store/etcd/currency.ts',
    from: '    return since < REPLICA.CURRENT_FOR && this.#clock.now() - this.#wall < REPLICA.CURRENT_FOR\n',
    to: '    return since < 10 * REPLICA.CURRENT_FOR\n',
    says: ['late grant'],
    acts: [CUT],
  },
  {
    name: 'a watch goes on where it is now, and nothing is forgotten',
    file: 'kdc/store/etcd/watching.ts',
    from: '    const done = apply(EVERYTHING_CHANGED)\n',
    to: '    const done = undefined\n',
    says: ['late grant', 'lost change', 'refused ticket'],
    acts: ['compact while a KDC is cut off'],
  },
  {
    name: 'the first record of a change is not told of',
    file: 'kdc/store/etcd/watching.ts',
    from: '      if (record !== undefined) changes.push(record)\n',
    to: '      if (record !== undefined && hasNews) changes.push(record)\n',
    says: ['late grant'],
    acts: ['take and give back'],
  },
  {
    name: 'a KDC seals what it decided before it heard of a change',
    file: 'kdc/realm/decide.ts',
    from: '    if (view.isCurrent()) {',
    to: '    if (view.isCurrent() || attempts > 0) {',
    says: ['late grant'],
    acts: ['take while a KDC reads'],
  },
  {
    name: 'a KDC confirms itself before it has applied the last change',
    file: 'kdc/store/etcd/currency.ts',
    from: '    if (last <= applied) this.#confirm(sent)\n',
    to: '    if (last <= applied || last > 0) this.#confirm(sent)\n',
    // What takes something away waits for the place of such a KDC, which it loses.
    says: ['late denial'],
    acts: ['enable while a watch hangs'],
  },
  {
    name: 'a KDC says that a service has everything though it may not have heard of all itself',
    file: 'kdc/realm/revocation-log.ts',
    from: '    return this.#isRead && this.#vault.replica?.isCurrent() !== false\n',
    to: '    return this.#isRead\n',
    and: {
      file: 'kdc/channel/authority.ts',
      from: '    directory.requireCurrent()\n',
      to: '',
    },
    says: ['late refusal'],
    acts: ['a deaf service'],
  },
  {
    name: 'a KDC goes on with an etcd that has gone back',
    file: 'kdc/store/etcd/replica.ts',
    from: '    if (revision >= before) {\n',
    to: '    if (revision >= 0 * before) {\n',
    says: ['store gone back'],
    acts: ['etcd goes back'],
  },
  {
    name: 'whoever is second to change a record is told that it is done',
    file: 'kdc/store/etcd/store.ts',
    from: '      if (!succeeded) continue\n',
    to: '      if (!succeeded) return\n',
    says: ['lost change', 'log of revocations', 'key'],
    acts: ['two administrators at once'],
  },
  {
    name: 'a name that was removed begins again with its first kvno',
    file: 'kdc/realm/principal.ts',
    from: 'const kvno = (tombstone?.lastKvno ?? 0) + 1\n',
    to: 'const kvno = (tombstone === undefined ? 0 : 0) + 1\n',
    says: ['key'],
    acts: ['take and give back'],
  },
  {
    name: 'a fresh key has the kvno of the one before',
    file: 'kdc/realm/key-changes.ts',
    from: '  const kvno = record.lastKvno + 1\n',
    to: '  const kvno = record.lastKvno\n',
    says: ['key'],
    acts: ['replace a key while a watch hangs'],
  },
  {
    name: 'tickets are sealed under a key that its holder has not shown',
    file: 'kdc/realm/principal-keys.ts',
    from: '  const current = currentKey(record)\n',
    to: '  const current = record.keys[0]\n',
    says: ['key'],
    acts: ['a holder changes its key'],
  },
  {
    name: 'a code is taken again that was used',
    file: 'kdc/realm/invitation.ts',
    from: '  if (used >= uses) return',
    to: '  if (used > uses) return',
    says: ['invitation'],
    acts: ['one code, two hosts'],
  },
]

import { createMemoryStore } from '../../kdc/store/memory.js'
import type { Member, Replica, ReplicaNotice, Store } from '../../kdc/store/store.js'
import { OrthrusError } from '../../shared/errors.js'

/** A place among the KDCs that share a store, under the test's control. */
export class TestReplica implements Replica {
  readonly id = '00c0ffee'
  members: readonly Member[] = [{ id: '00c0ffee', told: '' }]
  /** Whether it has seen all changes. */
  current = true
  /** Resolves when it has again. */
  becomingCurrent: Promise<void> = new Promise(() => {})
  /** Called for each question, before it is answered. */
  asked: () => void = () => {}
  /** What an acknowledgement waits for. */
  settling: () => Promise<readonly string[]> = async () => []
  /** How many acknowledgements were asked for. */
  settledFor = 0
  notify: (notice: ReplicaNotice) => void = () => {}

  isCurrent(): boolean {
    this.asked()
    return this.current
  }

  whenCurrent(): Promise<void> | undefined {
    return this.current ? undefined : this.becomingCurrent
  }

  get fault(): OrthrusError | undefined {
    return this.current ? undefined : new OrthrusError('unavailable', 'behind', { hint: 'ask another KDC' })
  }

  settled(): Promise<readonly string[]> {
    this.settledFor += 1
    return this.settling()
  }

  onNotice(listener: (notice: ReplicaNotice) => void): void {
    this.notify = listener
  }
}

/** A store in memory that says of itself that other KDCs share it. */
export function sharedStore(store: Store = createMemoryStore()): { store: Store; replica: TestReplica } {
  const replica = new TestReplica()
  return { store: Object.assign(store, { replica }), replica }
}

import type { EtcdWatch, WatchEvent, WatchListener } from '../etcd.js'
import { GrpcFailure, type GrpcStream, STATUS } from './grpc.js'
import { decodeWatch } from './watch-messages.js'

/** One watch on one connection. It ends with the connection, and with whatever etcd says in place of events. */
export class Watch implements EtcdWatch {
  readonly #listener: WatchListener
  /** The first revision that was not told of. */
  #next: number
  /** What came of an answer that is not whole yet. */
  #parts: WatchEvent[] = []
  #stream: GrpcStream | undefined
  #isOver = false

  constructor(revision: number, listener: WatchListener) {
    this.#next = revision
    this.#listener = listener
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** It was begun on this stream. */
  begun(stream: GrpcStream): void {
    this.#stream = stream
  }

  close(): void {
    this.#isOver = true
    this.#stream?.cancel(STATUS.OK, '')
  }

  end(cause: Error): void {
    if (this.#isOver) return
    this.close()
    this.#listener.ended(cause)
  }

  /** @throws OrthrusError `malformed`, GrpcFailure if etcd ends it */
  received(bytes: Uint8Array): void {
    const answer = decodeWatch(bytes)
    if (answer.compactRevision > 0) {
      const reason = `what was changed before revision ${answer.compactRevision} was compacted away`
      throw new GrpcFailure(STATUS.OUT_OF_RANGE, reason)
    }
    if (answer.isCanceled) {
      throw new GrpcFailure(STATUS.PERMISSION_DENIED, answer.reason || 'it ended the watch')
    }
    this.#parts.push(...answer.events)
    if (answer.isPart) return
    const events = this.#parts
    this.#parts = []
    this.#tell(events)
  }

  /** Revision by revision; those that were told of before are dropped. */
  #tell(events: readonly WatchEvent[]): void {
    for (let from = 0; from < events.length && !this.#isOver; ) {
      const revision = events[from]?.modRevision ?? 0
      let to = from
      while (events[to]?.modRevision === revision) to++
      if (revision >= this.#next) {
        this.#next = revision + 1
        this.#listener.events(revision, events.slice(from, to))
      }
      from = to
    }
  }
}

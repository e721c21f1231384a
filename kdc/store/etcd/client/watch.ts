import { malformed } from '../../../../shared/errors.js'
import type { EtcdWatch, WatchEvent, WatchListener } from '../etcd.js'
import { GrpcFailure, type GrpcStream, STATUS } from './grpc.js'
import { decodeWatch } from './watch-messages.js'

/** What one revision may be told in, bytes: etcd takes 1.5 MiB in one change, unless it was told otherwise. */
const PARTS_MAX = 64 * 1024 * 1024

/** What is watched, from which revision on. */
export interface WatchedRange {
  readonly key: string
  readonly end: string
  readonly revision: number
}

/** One watch on one connection. It ends with the connection, and with whatever etcd says in place of events. */
export class Watch implements EtcdWatch {
  readonly #range: WatchedRange
  readonly #listener: WatchListener
  /** The first revision that was not told of. */
  #next: number
  /** What came of an answer that is not whole yet. */
  #parts: WatchEvent[] = []
  #partBytes = 0
  #stream: GrpcStream | undefined
  #isOver = false

  constructor(range: WatchedRange, listener: WatchListener) {
    this.#range = range
    this.#next = range.revision
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
    this.#partBytes += bytes.length
    if (this.#partBytes > PARTS_MAX) throw malformed('parts of a revision without end')
    for (const event of answer.events) this.#parts.push(this.#watched(event))
    if (answer.isPart) return
    const events = this.#parts
    this.#parts = []
    this.#partBytes = 0
    this.#tell(events)
  }

  /** @throws OrthrusError `malformed` */
  #watched(event: WatchEvent): WatchEvent {
    const { key, end } = this.#range
    if (event.key < key || event.key >= end) throw malformed('an event of a key that nobody asked for')
    return event
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

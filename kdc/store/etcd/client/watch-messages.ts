import { malformed } from '../../../../shared/errors.js'
import type { KeyValue, WatchEvent } from '../etcd.js'
import { headerRevision, keyValueFrom } from './messages.js'
import { flagField, MessageReader, message, messageField, numberField, textField } from './protobuf.js'

/** The messages of etcd's service Watch. */

export function encodeWatchCreate(key: string, end: string, revision: number): Uint8Array {
  // The last one allows an answer to come in parts.
  return messageField(
    1,
    message(textField(1, key), textField(2, end), numberField(3, revision), flagField(8, true)),
  )
}

export interface WatchAnswer {
  readonly revision: number
  readonly isCanceled: boolean
  /** The oldest revision that etcd still has, if that is why the watch ended; otherwise 0. */
  readonly compactRevision: number
  readonly reason: string
  /** Whether events of the last revision may follow in the next answer. */
  readonly isPart: boolean
  readonly events: readonly WatchEvent[]
}

/** @throws OrthrusError `malformed` */
export function decodeWatch(bytes: Uint8Array): WatchAnswer {
  const reader = new MessageReader(bytes)
  const answer = { revision: 0, isCanceled: false, compactRevision: 0, reason: '', isPart: false }
  const events: WatchEvent[] = []
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) answer.revision = headerRevision(reader.within())
    else if (field === 4) answer.isCanceled = reader.flag()
    else if (field === 5) answer.compactRevision = reader.number()
    else if (field === 6) answer.reason = reader.text()
    else if (field === 7) answer.isPart = reader.flag()
    else if (field === 11) events.push(eventFrom(reader.within()))
  }
  return { ...answer, events }
}

function eventFrom(reader: MessageReader): WatchEvent {
  let isDelete = false
  let record: KeyValue | undefined
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) isDelete = reader.flag()
    else if (field === 2) record = keyValueFrom(reader.within())
  }
  if (record === undefined) throw malformed('an event without a record')
  return { kind: isDelete ? 'delete' : 'put', ...record }
}

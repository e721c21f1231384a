import { allocateBriefly } from '../bytes.js'
import { LIMIT, SIZE, TYPE } from '../constants.js'
import { openCounted, sealCounted } from '../crypto/seal.js'
import { contentOf, HEADER_BYTES, header } from '../encoding/message.js'

/** One RECORD, of a channel or of a sealed body (docs/protocol.md section 9). */

export const KIND = { DATA: 0, END: 1, PART: 2 } as const
export type Kind = (typeof KIND)[keyof typeof KIND]

const AAD = header(TYPE.RECORD)

/** The bytes of a RECORD that are not its payload. */
export const RECORD_OVERHEAD = HEADER_BYTES + 1 + SIZE.TAG

/** The largest payload of one RECORD, bytes. */
export const PAYLOAD_BYTES = LIMIT.MESSAGE_BYTES - RECORD_OVERHEAD

/** @param key of one direction. @param counter of this direction: never the same twice under one key */
export function sealPayload(key: Uint8Array, counter: number, kind: Kind, payload: Uint8Array): Uint8Array {
  const record = allocateBriefly(RECORD_OVERHEAD + payload.length)
  sealPayloadInto(record, key, counter, kind, payload)
  return record
}

/** As `sealPayload`. @param record where it is written, of exactly its length */
export function sealPayloadInto(
  record: Uint8Array,
  key: Uint8Array,
  counter: number,
  kind: Kind,
  payload: Uint8Array,
): void {
  record.set(AAD)
  record[HEADER_BYTES] = kind
  record.set(payload, HEADER_BYTES + 1)
  sealCounted(key, counter, AAD, record.subarray(HEADER_BYTES))
}

/**
 * The kind, known or not, and then the payload; `undefined` if the record was not sealed under this key and counter.
 * @throws OrthrusError `too_large` `unsupported_version` `malformed` if it is no RECORD
 */
export function openPayload(key: Uint8Array, counter: number, record: Uint8Array): Uint8Array | undefined {
  return openCounted(key, counter, AAD, contentOf(record, TYPE.RECORD))
}

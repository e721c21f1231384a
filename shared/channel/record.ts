import { allocateBriefly } from '../bytes.js'
import { LIMIT, SIZE, TYPE } from '../constants.js'
import { openCounted, sealCounted } from '../crypto/seal.js'
import { contentOf, HEADER_BYTES, header } from '../encoding/message.js'

/** One RECORD, of a channel or of a sealed body (docs/protocol.md section 9). */

export const KIND = { DATA: 0, END: 1, PART: 2 } as const
export type Kind = (typeof KIND)[keyof typeof KIND]

const AAD = header(TYPE.RECORD)

/** Where the payload of a RECORD begins, before it is sealed. */
export const PAYLOAD_START = HEADER_BYTES + 1

/** The bytes of a RECORD that are not its payload. */
export const RECORD_OVERHEAD = PAYLOAD_START + SIZE.TAG

/** The largest payload of one RECORD, bytes. */
export const PAYLOAD_BYTES = LIMIT.MESSAGE_BYTES - RECORD_OVERHEAD

/** @param key of one direction. @param counter of this direction: never the same twice under one key */
export function sealPayload(key: Uint8Array, counter: number, kind: Kind, payload: Uint8Array): Uint8Array {
  const record = allocateBriefly(RECORD_OVERHEAD + payload.length)
  record.set(payload, PAYLOAD_START)
  sealPlaced(record, key, counter, kind)
  return record
}

/**
 * As `sealPayload`, where the record is sent from.
 * @param record of exactly its length, with its payload already in it, from `PAYLOAD_START` on
 */
export function sealPlaced(record: Uint8Array, key: Uint8Array, counter: number, kind: Kind): void {
  record.set(AAD)
  record[HEADER_BYTES] = kind
  sealCounted(key, counter, AAD, record.subarray(HEADER_BYTES))
}

/**
 * The kind, known or not, and then the payload; `undefined` if the record was not sealed under this key and counter.
 * @throws OrthrusError `too_large` `unsupported_version` `malformed` if it is no RECORD
 */
export function openPayload(key: Uint8Array, counter: number, record: Uint8Array): Uint8Array | undefined {
  return openCounted(key, counter, AAD, contentOf(record, TYPE.RECORD))
}

import { allocateBriefly, concatBytes } from '../bytes.js'
import { LIMIT, SIZE, TYPE } from '../constants.js'
import { openCounted, openCountedApart, sealCounted, sealCountedApart } from '../crypto/seal-counted.js'
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
 * Tuning: a payload above this is neither copied to be sealed, nor once it was opened; below it, copies cost less than
 * parts.
 */
const COPIED_MAX = 8 * 1024

/** As `sealPayload`, in parts that are to be sent one behind the other. A large payload is not copied. */
export function sealPayloadApart(
  key: Uint8Array,
  counter: number,
  kind: Kind,
  payload: Uint8Array,
): readonly Uint8Array[] {
  if (payload.length <= COPIED_MAX) return [sealPayload(key, counter, kind, payload)]
  const { head, rest, tag } = sealCountedApart(key, counter, AAD, Uint8Array.of(kind), payload)
  return [concatBytes(AAD, head), rest, tag]
}

/** What is in a RECORD. */
export interface OpenedPayload {
  /** Known or not; `undefined` if there is not even that. */
  readonly kind: number | undefined
  /** A large one is in memory of its own. */
  readonly payload: Uint8Array
}

/**
 * @returns `undefined` if the record was not sealed under this key and counter
 * @throws OrthrusError `too_large` `unsupported_version` `malformed` if it is no RECORD
 */
export function openPayload(key: Uint8Array, counter: number, record: Uint8Array): OpenedPayload | undefined {
  const content = contentOf(record, TYPE.RECORD)
  if (content.length > COPIED_MAX) {
    const opened = openCountedApart(key, counter, AAD, content, 1)
    return opened && { kind: opened.head[0], payload: opened.rest }
  }
  const plaintext = openCounted(key, counter, AAD, content)
  return plaintext && { kind: plaintext[0], payload: plaintext.subarray(1) }
}

import { concatBytes } from '../../shared/bytes.js'
import { SIZE } from '../../shared/constants.js'

/**
 * The first message of a channel between the ends of a tunnel (docs/unchanged-programs.md, "What the tunnel says"). It
 * says what the channel is for: a connection, or the next part of one. All that follows is bytes of the connection.
 */
export type Head =
  /** A connection that lasts as long as this channel. */
  | { readonly kind: 'begins'; readonly id: undefined }
  /** A connection that later channels of the same client may continue, by its id. */
  | { readonly kind: 'begins'; readonly id: Uint8Array }
  | { readonly kind: 'continues'; readonly id: Uint8Array }

const FORM = { BEGINS: 0, BEGINS_WITH_ID: 1, CONTINUES: 2 } as const

/** Random, and known to the two ends alone. */
export const ID_BYTES = SIZE.NONCE

export function encodeHead({ kind, id }: Head): Uint8Array {
  if (id === undefined) return Uint8Array.of(FORM.BEGINS)
  return concatBytes(Uint8Array.of(kind === 'begins' ? FORM.BEGINS_WITH_ID : FORM.CONTINUES), id)
}

/** @returns `undefined` if it is none */
export function decodeHead(message: Uint8Array): Head | undefined {
  const [form] = message
  const id = message.slice(1)
  if (form === FORM.BEGINS && id.length === 0) return { kind: 'begins', id: undefined }
  if (id.length !== ID_BYTES) return undefined
  if (form === FORM.BEGINS_WITH_ID) return { kind: 'begins', id }
  return form === FORM.CONTINUES ? { kind: 'continues', id } : undefined
}

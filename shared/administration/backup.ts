import type { Value } from '../encoding/encoding.js'
import { bytesOf, fields, numberOf } from '../encoding/fields.js'

/**
 * `backup`: the file of a backup, piece by piece. The KDC reads all of it from one moment, which it remembers for the
 * channel.
 */

/** @param position how many bytes of the file came before; 0 begins a backup */
export function encodeBackupQuestion(position: number): Value[] {
  return [position]
}

/** @throws OrthrusError `malformed` */
export function decodeBackupQuestion(args: readonly Value[]): number {
  const [position] = fields(args, 1)
  return numberOf(position)
}

/** @param piece the bytes from there on, as many as the KDC likes; none at the end of the file */
export function encodeBackupPiece(piece: Uint8Array): Value[] {
  return [piece]
}

/** @throws OrthrusError `malformed` */
export function decodeBackupPiece(results: readonly Value[]): Uint8Array {
  const [piece] = fields(results, 1)
  return bytesOf(piece)
}

import { decodeBackupPiece, encodeBackupQuestion } from '../../shared/administration/backup.js'
import type { AdminTransport } from './transport.js'

/** The bytes of a backup of the realm, piece by piece: all of them are of one moment. */
export async function* backupOf(transport: AdminTransport): AsyncGenerator<Uint8Array> {
  for (let position = 0; ; ) {
    const piece = decodeBackupPiece(await transport.call('backup', encodeBackupQuestion(position)))
    if (piece.length === 0) return
    position += piece.length
    yield piece
  }
}

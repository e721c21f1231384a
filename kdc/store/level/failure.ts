import { OrthrusError } from '../../../shared/errors.js'

/** Explains failures of LevelDB and of the file system so that a person can act on them. */

export function damaged(directory: string, what: string, cause?: unknown): OrthrusError {
  return new OrthrusError('unavailable', `the database in ${directory} is damaged: ${what}`, {
    cause,
    hint: 'nothing was changed or repaired: keep a copy of the folder and restore it from a backup',
  })
}

const MISSING = /No such file/
/** LevelDB says this if its file CURRENT is missing, as if there had never been a database. */
const NO_CURRENT = /create_if_missing is false/
const DENIED = /Permission denied|Operation not permitted|Read-only file system|EACCES|EPERM|EROFS/
const FULL = /No space left|Disk quota exceeded|File too large|ENOSPC|EDQUOT|EFBIG/

/** Explains an error of LevelDB or the file system. Their own messages name files, and never contents. */
export function explainFailure(directory: string, what: string, cause: unknown): OrthrusError {
  if (cause instanceof OrthrusError) return cause
  const code = levelCode(cause)
  if (code === 'LEVEL_LOCKED') {
    return new OrthrusError('unavailable', `the database in ${directory} is in use`, {
      cause,
      hint: 'is another orthrus kdc running on this folder?',
    })
  }
  const text = textOf(cause)
  if (NO_CURRENT.test(text)) return damaged(directory, 'CURRENT is missing', cause)
  if (isDamage(cause)) return damaged(directory, text, cause)
  const reason = `the database in ${directory} ${what}: ${text}`
  const hint = hintFor(text)
  return new OrthrusError('unavailable', reason, hint === undefined ? { cause } : { cause, hint })
}

/** Whether an error of LevelDB says that a file is not as it was written, and not only that it cannot be read now. */
export function isDamage(cause: unknown): boolean {
  return levelCode(cause) === 'LEVEL_CORRUPTION' || MISSING.test(textOf(cause))
}

function hintFor(text: string): string | undefined {
  if (FULL.test(text)) return 'the disk is full: free some space'
  if (!DENIED.test(text)) return undefined
  return 'the user who runs this must be able to read and write that folder and every file in it: check their owner and mode, and how the disk is mounted'
}

/** abstract-level puts the error of a failed opening into the `cause` of another error. */
function origin(error: unknown): unknown {
  return error instanceof Error && error.cause instanceof Error ? error.cause : error
}

export function levelCode(error: unknown): unknown {
  const from = origin(error)
  return from instanceof Error && 'code' in from ? from.code : undefined
}

function textOf(error: unknown): string {
  const from = origin(error)
  const text = from instanceof Error ? from.message : String(from)
  // The folder of a trial is gone when somebody reads this. The file is in the folder above it.
  return text.replaceAll(/[/\\]trial-\w+/g, '')
}

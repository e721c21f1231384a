import type { PasswordKey } from '../../shared/administration/principals.js'
import { malformed, OrthrusError } from '../../shared/errors.js'
import { requireSoundParameters } from '../../shared/exchange/params.js'

/** @throws OrthrusError `malformed` for parameters with which passwords could be guessed, or nobody could log in */
export function requireSoundPassword({ parameters }: PasswordKey): void {
  try {
    requireSoundParameters(parameters)
  } catch (cause) {
    throw cause instanceof OrthrusError ? malformed(cause.reason) : cause
  }
}

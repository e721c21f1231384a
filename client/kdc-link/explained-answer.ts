import { OrthrusError } from '../../shared/errors.js'

/** Reads an answer of the KDC, and adds the next step to the error if it is invalid. @throws OrthrusError */
export function explainingKdcErrors<T>(kdc: string, look: () => T): T {
  try {
    return look()
  } catch (cause) {
    if (!(cause instanceof OrthrusError)) throw cause
    throw new OrthrusError(
      cause.code,
      `an answer in the name of the KDC at ${kdc} cannot be used: ${cause.reason}`,
      {
        kdc,
        hint: 'the KDC is of another version, or somebody answers in its place: check its URL',
      },
    )
  }
}

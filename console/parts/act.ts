import { signal } from '@preact/signals'
import { OrthrusError } from '../../shared/errors.js'

/** What went wrong, for people. */
export interface Failure {
  readonly message: string
  /** What to do next. */
  readonly hint: string | undefined
}

/** Why nothing can be changed at the moment, or null. The session says so. */
export const refusedNow = signal<string | null>(null)

/** What came of an act. */
export type Done<T> = { readonly value: T } | { readonly failure: Failure }

/**
 * Does something that can fail, and puts the failure into words. Nothing is begun while the connection is lost.
 * @param act a call of the person's own channel
 */
export async function run<T>(act: () => Promise<T>): Promise<Done<T>> {
  const refused = refusedNow.value
  if (refused !== null) return { failure: { message: refused, hint: 'nothing was changed: try again then' } }
  try {
    return { value: await act() }
  } catch (cause) {
    return { failure: failureOf(cause) }
  }
}

/** A failure in words. Whatever is no failure of the protocol is a fault of the page, and is not hidden. */
export function failureOf(cause: unknown): Failure {
  if (cause instanceof OrthrusError) return { message: sentence(cause.reason), hint: cause.facts.hint }
  if (cause instanceof TypeError) return { message: sentence(cause.message), hint: undefined }
  console.error(cause)
  return { message: 'The page failed.', hint: 'reload it; the console of the browser says more' }
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`
}

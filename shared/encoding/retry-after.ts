import { SECOND } from '../time.js'

/** The message of an ERROR `rate_limited` that says when to ask again. @param wait milliseconds */
export function formatRetryAfter(wait: number): string {
  return `retry after ${Math.max(1, Math.ceil(wait / SECOND))} s`
}

/** Milliseconds, or `undefined` if the message does not say. */
export function parseRetryAfter(message: string): number | undefined {
  const seconds = /^retry after ([1-9][0-9]{0,5}) s$/.exec(message)?.[1]
  return seconds === undefined ? undefined : Number(seconds) * SECOND
}

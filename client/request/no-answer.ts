import { hintFrom } from '#hints'
import { hintOfPlatform } from '#platform-fetch'
import { OrthrusError } from '../../shared/errors.js'
import { shownFailure } from '../../shared/shown-failure.js'
import type { SentRequest } from './sent-request.js'

/** The error for a request that no answer came to. It is not final, because the request may have been handled. */

const MAY_BE_HANDLED = 'the request may have been handled'

/** The error for a failed `fetch` of the platform, which only says "fetch failed" and hides the reason in its cause. */
export async function noAnswer(cause: unknown, request: SentRequest): Promise<OrthrusError> {
  const { url, service } = request
  const hint = await hintForFailure(cause, request)
  return new OrthrusError('unavailable', `no complete answer from ${url.origin}: ${reasonOf(cause)}`, {
    service,
    hint,
    cause,
  })
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return 'for an unknown reason'
  const within = cause.cause
  if (!(within instanceof Error)) return cause.message
  return `${cause.message}: ${within.message === '' && 'code' in within ? String(within.code) : shownFailure(within.message)}`
}

async function hintForFailure(cause: unknown, request: SentRequest): Promise<string> {
  const { url, service, isStreamed } = request
  const known = hintOfPlatform(cause, request)
  if (known !== undefined) return known
  // A browser gives no details, whatever happened.
  if (cause instanceof TypeError && cause.cause === undefined && isBrowser()) {
    return `${MAY_BE_HANDLED}; ${await hintFrom(hints => hints.pageHint(url, isStreamed))}`
  }
  return `${MAY_BE_HANDLED}; check that ${service} runs there`
}

function isBrowser(): boolean {
  return 'document' in globalThis || 'WorkerGlobalScope' in globalThis
}

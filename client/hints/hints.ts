import { CHANGED_HINT, ENCODED_HINT, largeTicketsHint, pageHint, unprovedHint } from './answer-hints.js'
import { changedParametersHint, denialHint, kdcHint } from './kdc-hints.js'
import { serviceHint } from './service-hints.js'

/** All that an error may say to do next, and that a page loads together. */
export const HINTS = {
  CHANGED_HINT,
  ENCODED_HINT,
  largeTicketsHint,
  pageHint,
  unprovedHint,
  changedParametersHint,
  denialHint,
  kdcHint,
  serviceHint,
} as const

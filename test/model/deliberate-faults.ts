import { CLIENT_FAULTS } from './client-faults.js'
import { FEED_FAULTS } from './feed-faults.js'
import { KDC_FAULTS } from './kdc-faults.js'
import { KEY_FAULTS } from './key-faults.js'
import type { ModelFault } from './model-fault.js'
import { POLICY_FAULTS } from './policy-faults.js'
import { SERVICE_FAULTS } from './service-faults.js'

/**
 * The faults that the model must see. Each is a check left out, a name or time that is not bound, or a step that is too
 * late or missing.
 */
export const FAULTS: readonly ModelFault[] = [
  ...SERVICE_FAULTS,
  ...KDC_FAULTS,
  ...KEY_FAULTS,
  ...FEED_FAULTS,
  ...CLIENT_FAULTS,
  ...POLICY_FAULTS,
]

import type { DeliberateFault } from '../deliberate-faults.js'
import { CLIENT_FAULTS } from './client-faults.js'
import { KDC_FAULTS } from './kdc-faults.js'
import { SERVICE_FAULTS } from './service-faults.js'

/** What the model must see. Each is a check left out, a name or time not bound, or a step too late or too few. */
export const FAULTS: readonly DeliberateFault[] = [...SERVICE_FAULTS, ...KDC_FAULTS, ...CLIENT_FAULTS]

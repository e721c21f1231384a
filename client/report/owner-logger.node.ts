import { createOwnerLogger } from '../../shared/owner-logger.js'
import { systemClock } from '../../shared/time.js'

/** Shared by the process, because it limits what goes to the one standard error. */
export const ownerLogger = createOwnerLogger({ name: 'orthrus client', clock: systemClock })

import type { Logger } from '../../shared/logger.js'
import { systemClock } from '../../shared/time.js'

/**
 * For pages, most of which never have anything to tell: what limits and shows it is loaded with the first warning.
 * `owner-logger.node.ts` has the same for Node, where a process may end behind its last warning.
 */
export const ownerLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: tell('warn'),
  error: tell('error'),
}

let loading: Promise<Logger> | undefined

function tell(level: 'warn' | 'error'): Logger['warn'] {
  return (fields, message) => {
    loading ??= load()
    loading.then(
      logger => logger[level](fields, message),
      // The message is a text of this package; what the fields have is shown by what was not loaded.
      () => console.error(`orthrus client ${level}: ${message}`),
    )
  }
}

async function load(): Promise<Logger> {
  const { createOwnerLogger } = await import('../../shared/owner-logger.js')
  return createOwnerLogger({ name: 'orthrus client', clock: systemClock })
}

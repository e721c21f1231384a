import type { Logger } from '../../shared/logger.js'

/**
 * A logger whose failures end with it: a KDC whose log cannot be written goes on, and answers what it would have
 * answered. There is nowhere left to tell it.
 */
export function failsafeLogger(logger: Logger): Logger {
  const at =
    (level: keyof Logger) =>
    (fields: object, message: string): void => {
      try {
        const told: unknown = logger[level](fields, message)
        if (told instanceof Promise) told.catch(() => {})
      } catch {
        // as above
      }
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

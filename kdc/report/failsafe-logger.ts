import type { Logger } from '../../shared/logger.js'

/**
 * A logger that never throws: a KDC whose log cannot be written goes on and gives the same answers. The failure itself
 * is dropped, since there is nowhere to report it.
 */
export function failsafeLogger(logger: Logger): Logger {
  const at =
    (level: keyof Logger) =>
    (fields: object, message: string): void => {
      try {
        const written: unknown = logger[level](fields, message)
        if (written instanceof Promise) written.catch(() => {})
      } catch {
        // Dropped, as described above.
      }
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

import type { Logger } from '../../shared/logger.js'

/**
 * A logger that never throws: a KDC whose log cannot be written goes on and gives the same answers. The failure itself
 * is dropped, since there is nowhere to report it.
 * @param always fields of every line
 */
export function failsafeLogger(logger: Logger, always?: object): Logger {
  const at =
    (level: keyof Logger) =>
    (fields: object, message: string): void => {
      try {
        const written: unknown = logger[level](
          always === undefined ? fields : { ...fields, ...always },
          message,
        )
        if (written instanceof Promise) written.catch(() => {})
      } catch {
        // Dropped, as described above.
      }
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

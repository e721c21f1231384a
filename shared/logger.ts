/** Receives what a party reports; a pino logger fits. It is never given a secret. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

const silent = (): void => {}

export const silentLogger: Logger = { debug: silent, info: silent, warn: silent, error: silent }

import type { Logger } from '../../shared/logger.js'

export interface LogLine {
  readonly level: keyof Logger
  readonly fields: Record<string, unknown>
  readonly message: string
}

/** A logger that keeps its entries. */
export class TestLogger implements Logger {
  readonly lines: LogLine[] = []
  debug: Logger['debug'] = this.#at('debug')
  info: Logger['debug'] = this.#at('info')
  warn: Logger['debug'] = this.#at('warn')
  error: Logger['debug'] = this.#at('error')

  #at(level: keyof Logger): (fields: object, message: string) => void {
    return (fields, message) => void this.lines.push({ level, fields: { ...fields }, message })
  }
}

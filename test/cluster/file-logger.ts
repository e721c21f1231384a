import { openSync, writeSync } from 'node:fs'
import type { Logger } from '../../shared/logger.js'
import { machineTime } from './time.js'

/** A line for each message, with the time of the history. */
export function fileLogger(path: string): Logger {
  const file = openSync(path, 'a')
  const line = (level: string) => (fields: object, message: string) => {
    const shown = JSON.stringify(fields, (_, value) => (value instanceof Error ? String(value.stack) : value))
    writeSync(file, `${machineTime().toFixed(1)} ${level} ${message} ${shown}\n`)
  }
  return { debug: () => {}, info: line('info'), warn: line('warn'), error: line('error') }
}

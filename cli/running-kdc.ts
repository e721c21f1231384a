import type { Administration } from '../client/channel/administration.js'
import { OrthrusError } from '../shared/errors.js'
import { type ConnectionOptions, withAdministration } from './connection.js'
import { note, type Terminal } from './terminal.js'

/** For a command that also does its work in the data folder: if no KDC answers, it says so. */
export async function withRunningKdc<T>(
  terminal: Terminal,
  options: ConnectionOptions,
  use: (administration: Administration) => Promise<T>,
): Promise<T> {
  try {
    return await withAdministration(terminal, options, use)
  } catch (cause) {
    if (cause instanceof OrthrusError && cause.code === 'unavailable')
      note(terminal, options, 'if no KDC is running, name the data folder: --data DIR')
    throw cause
  }
}

import { InvalidArgumentError, Option } from 'commander'
import type { Administration } from '../client/channel/administration.js'
import type { Revocation } from '../client/channel/refused-by.js'
import type { Realm } from '../client/connect.js'
import { FOLLOWERS_WAIT_MAX } from '../shared/administration/revocations.js'
import { OrthrusError } from '../shared/errors.js'
import { SECOND } from '../shared/time.js'
import { parseDuration } from './arguments.js'
import { withChannel } from './connection.js'
import { note, type Terminal, type Together } from './terminal.js'

/** Which services refuse by now what a command revoked. */

export interface WaitOptions {
  readonly wait: number
  readonly json?: boolean
}

/** `--wait`, for every command that revokes. */
export function waitOption(): Option {
  return new Option(
    '--wait <time>',
    'how long to wait for the services that follow, to say which refuse by now',
  )
    .argParser(parseWait)
    .default(5 * SECOND, '5s')
}

function parseWait(text: string): number {
  const milliseconds = parseDuration(text)
  if (milliseconds <= FOLLOWERS_WAIT_MAX) return milliseconds
  throw new InvalidArgumentError(`Wait at most ${FOLLOWERS_WAIT_MAX / SECOND}s.`)
}

/** The open channel of a command, and the realm for another one. */
export interface AdminLink {
  readonly administration: Administration
  readonly realm: Realm
}

/**
 * Asks who has applied a revocation. What was revoked stays so if that cannot be found out, so it is no failure then.
 */
export async function tellRefusedBy(
  terminal: Terminal,
  link: AdminLink,
  revocation: Revocation,
  { wait, json }: WaitOptions,
): Promise<Together | undefined> {
  try {
    const { refusedBy } = await import('../client/channel/refused-by.js')
    return await inOpenChannel(link, administration => refusedBy(administration, revocation, wait))
  } catch (cause) {
    if (!(cause instanceof OrthrusError)) throw cause
    note(
      terminal,
      { json: json === true },
      `it is revoked; which services refuse it by now is not known: ${cause.message}`,
    )
    return undefined
  }
}

/** Administrators who revoke their own tickets end their channel with them, and open another one. */
async function inOpenChannel<T>(
  { administration, realm }: AdminLink,
  ask: (administration: Administration) => Promise<T>,
): Promise<T> {
  try {
    return await ask(administration)
  } catch (cause) {
    if (!(cause instanceof OrthrusError) || cause.code !== 'channel_broken') throw cause
    return withChannel(realm, ask)
  }
}

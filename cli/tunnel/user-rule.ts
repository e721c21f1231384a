import type { Socket } from 'node:net'
import type { Command } from 'commander'
import { InvalidArgumentError } from 'commander'
import { OrthrusError } from '../../shared/errors.js'
import { RepeatedOption } from '../arguments.js'
import { KNOWS_PEERS, userOfPeer } from './peer.js'
import { isOfThisMachine, type Place } from './place.js'

/** Which users of this machine may use what listens for its programs: an end of a tunnel, or of a proxy. */

export interface UserArguments {
  readonly onlyUser?: readonly number[]
  readonly allowEveryLocalUser?: boolean
}

/** @returns why a connection may not be used; `undefined` if it may */
export type UserRule = (socket: Socket) => Promise<string | undefined>

export function withUsers(command: Command): Command {
  return command
    .addOption(
      new RepeatedOption(
        '--only-user <uid>',
        'let only this user of the machine use it, by default the one that runs it (Linux)',
        parseUser as never,
      ),
    )
    .option('--allow-every-local-user', 'let whoever is on this machine act as this principal')
}

function parseUser(text: string, before: readonly number[] = []): number[] {
  if (/^(?:0|[1-9]\d{0,9})$/.test(text)) return [...before, Number(text)]
  throw new InvalidArgumentError('Write the number of a user, as id -u prints it.')
}

/**
 * The rule for a place: on the loopback only these users, or the one who runs this. A Unix socket is for its owner anyway.
 * @param listen as `resolved` gives it
 * @returns `undefined` where there is none: whoever reaches the place may use it
 * @throws OrthrusError `unavailable` where it cannot be kept. @throws TypeError for options that contradict each other
 */
export function userRuleFor(
  { onlyUser, allowEveryLocalUser = false }: UserArguments,
  listen: Place,
): UserRule | undefined {
  const isOpen = 'path' in listen || allowEveryLocalUser || !isOfThisMachine(listen)
  if (!isOpen) return userRule(onlyUser ?? [process.getuid?.() ?? -1])
  if (onlyUser === undefined) return undefined
  throw new TypeError(
    '--only-user is about connections over the loopback, and goes with no option that lets more in',
  )
}

/**
 * Lets only these users of the machine use connections over the loopback.
 * @param lookUp whose a connection is
 * @throws OrthrusError `unavailable` where that cannot be known
 */
export function userRule(
  users: readonly number[],
  lookUp: (socket: Socket) => Promise<number | undefined> = userOfPeer,
): UserRule {
  if (!KNOWS_PEERS) {
    throw new OrthrusError('unavailable', 'this system does not say which user has a connection', {
      final: true,
      hint: 'listen on a Unix socket (--listen unix:PATH), or add --allow-every-local-user',
    })
  }
  const allowed = new Set(users)
  return async socket => {
    const user = await lookUp(socket).catch(() => undefined)
    if (user !== undefined && allowed.has(user)) return undefined
    const who = user === undefined ? 'nobody can tell which user' : `user ${user}`
    return `${who} of this machine has the connection, and it is for others: start this with --only-user UID for each that may use it`
  }
}

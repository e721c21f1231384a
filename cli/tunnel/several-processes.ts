import type { Command } from 'commander'
import type { LoadServiceOptions } from '../../service/load-options.js'

/** Several processes of this machine in front of one service, each of which takes what the system gives it. */

export interface SharingArguments {
  readonly severalProcesses?: boolean
}

export function withSharing(command: Command): Command {
  return command.option(
    '--several-processes',
    'for several of these on this machine that serve one principal, each with this option',
  )
}

/** They share what they have seen, so that all of them together accept each request once. */
export function sharedReplays({
  severalProcesses = false,
}: SharingArguments): Pick<LoadServiceOptions, 'replayCache'> {
  return severalProcesses ? { replayCache: { shared: 'machine' } } : {}
}

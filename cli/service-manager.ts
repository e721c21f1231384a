import { execFile } from 'node:child_process'
import { OrthrusError } from '../shared/errors.js'
import { codeOf } from '../shared/folder.node.js'
import type { Logger } from '../shared/logger.js'
import { SECOND } from '../shared/time.js'
import { type Cancel, runEvery, systemTimers, type Timers } from '../shared/timers.js'
import type { Terminal } from './terminal.js'

/**
 * What systemd hands to a service, and is told by it. Messages go by the program `systemd-notify`: they are datagrams to a
 * Unix socket, which Node cannot send, and the packages that can are compiled when they are installed. The unit needs
 * `NotifyAccess=all` for that, since the program is another process than the KDC.
 */

/** The first file that is handed over, as for every service. */
const FIRST_FILE = 3

/**
 * The socket that systemd opened for the service, for `--listen systemd`.
 * @param pid of this process
 * @throws OrthrusError `unavailable` unless there is exactly one
 */
export function handedSocket(env: Terminal['env'], pid: number): number {
  const { LISTEN_PID, LISTEN_FDS } = env
  if (LISTEN_PID === String(pid) && LISTEN_FDS === '1') return FIRST_FILE
  const found = LISTEN_PID === String(pid) ? (LISTEN_FDS ?? 'none') : 'none'
  throw new OrthrusError(
    'unavailable',
    `--listen systemd needs one socket that was handed over; there are ${found}`,
    {
      final: true,
      hint: 'start it by a .socket unit with one ListenStream=HOST:PORT, or name an address',
    },
  )
}

/** How long the program may take, milliseconds. */
const PATIENCE = 5 * SECOND

export interface ServiceManager {
  /** Resolves when systemd was told, or could not be, which the log says. */
  tell(...state: readonly string[]): Promise<void>
  /** Ends the watchdog. */
  close(): void
}

/** Says nothing where nobody listens: without `NOTIFY_SOCKET`, and outside systemd. */
export function serviceManager(
  env: Terminal['env'],
  pid: number,
  logger: Logger,
  timers: Timers = systemTimers,
): ServiceManager {
  if ((env.NOTIFY_SOCKET ?? '') === '') return { tell: async () => {}, close: () => {} }
  const tell = async (...state: readonly string[]): Promise<void> => {
    const failure = await notify(env, state)
    if (failure !== undefined)
      logger.error(
        { reason: failure },
        'systemd was not told: is systemd-notify installed, and NotifyAccess=all set?',
      )
  }
  return { tell, close: watchdog(env, pid, timers, () => tell('WATCHDOG=1')) }
}

/** @returns why it failed, if it did */
function notify(env: Terminal['env'], state: readonly string[]): Promise<string | undefined> {
  return new Promise(resolve => {
    const options = { env, timeout: PATIENCE, killSignal: 'SIGKILL' } as const
    execFile('systemd-notify', state, options, (failure, _, said) => {
      resolve(failure === null ? undefined : said.trim().split('\n')[0] || String(codeOf(failure)))
    })
  })
}

/**
 * As long as the process goes on, systemd hears of it twice in each period. Where the program hangs, it is not started
 * again beside itself.
 */
function watchdog(env: Terminal['env'], pid: number, timers: Timers, beat: () => Promise<void>): Cancel {
  const { WATCHDOG_USEC = '', WATCHDOG_PID = String(pid) } = env
  const isAsked = /^[1-9][0-9]{0,14}$/.test(WATCHDOG_USEC) && WATCHDOG_PID === String(pid)
  if (!isAsked) return () => {}
  let isTelling = false
  return runEvery(timers, Math.max(1, Number(WATCHDOG_USEC) / 2_000), () => {
    if (isTelling) return
    isTelling = true
    void beat().finally(() => {
      isTelling = false
    })
  })
}

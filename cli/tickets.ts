import { Command } from 'commander'
import type { KeptLogin, KeptTicket } from '../client/kept-login/kept-login.js'
import { localPart, type Principal } from '../shared/principal.js'
import { printableJson } from '../shared/printable.js'
import type { Grant } from '../shared/ticket/grant.js'
import { formatDuration } from '../shared/time.js'
import { CommandFailed } from './failure.js'
import { requireLogins, whichLogins } from './logins.js'
import { errorObject, report } from './report.js'
import { type Terminal, table } from './terminal.js'

interface TicketsOptions {
  readonly login?: string
  readonly realm?: string
  readonly json?: boolean
}

interface Shown {
  readonly client: Principal
  readonly login: KeptLogin | undefined
  /** Whether it is of no use without the key of a session. */
  readonly sealed?: boolean
  readonly cause: unknown
}

/** `orthrus tickets`: what is kept of each login, and how long it is good for. It asks no KDC. */
export function ticketsCommand(terminal: Terminal): Command {
  return new Command('tickets')
    .description('show your logins and tickets on this machine, with the time that they have left')
    .option('--login <name>', 'only this login')
    .option('--realm <realm>', 'only logins in this realm')
    .option('--json', 'answer in JSON')
    .action((options: TicketsOptions) => showTickets(terminal, options))
}

async function showTickets(terminal: Terminal, { login: name, realm, json }: TicketsOptions): Promise<void> {
  const logins = await requireLogins(terminal)
  const meant = await whichLogins(logins, { name, realm })
  const shown: Shown[] = []
  for (const client of meant) {
    const read = logins.read(client).then(
      async login => ({ client, login, sealed: await logins.isSealed(client), cause: undefined }),
      (cause: unknown) => ({ client, login: undefined, cause }),
    )
    shown.push(await read)
  }
  const now = Date.now()
  if (json === true) terminal.out(`${printableJson({ logins: shown.map(each => loginObject(each)) })}\n`)
  else tellLogins(terminal, shown, now)
  if (shown.some(({ login }) => login === undefined)) throw new CommandFailed('')
}

function loginObject({ client, login, sealed, cause }: Shown): object {
  if (login === undefined) return { client, error: errorObject(cause) }
  const { kdc, tgt, tickets } = login
  const { startTime, endTime, renewTill } = tgt
  return { client, sealed, kdc, startTime, endTime, renewTill, tickets: tickets.map(ticketObject) }
}

function ticketObject({ lifetime, grant }: KeptTicket): object {
  const { service, startTime, endTime, claims } = grant
  return { service, startTime, endTime, lifetime, claims: Object.fromEntries(claims) }
}

function tellLogins(terminal: Terminal, shown: readonly Shown[], now: number): void {
  if (shown.length === 0) terminal.out('no login here: orthrus login NAME@REALM\n')
  const rows = shown.flatMap(({ client, login }) => (login === undefined ? [] : rowsOf(client, login, now)))
  if (rows.length > 0) terminal.out(`${table(rows)}\n`)
  const open = shown.filter(({ sealed }) => sealed === false).map(({ client }) => client)
  if (open.length > 0)
    terminal.out(
      `not sealed by a key of your session, so that a copy of the file can be used: ${open.join(', ')}\n`,
    )
  for (const { login, cause } of shown) if (login === undefined) report(cause, false, terminal)
}

function rowsOf(client: Principal, { tgt, tickets }: KeptLogin, now: number): string[][] {
  const again = tgt.endTime > now ? renewal(tgt, now) : `orthrus login ${client}`
  return [
    [client, timeLeft(tgt, now), again],
    ...tickets.map(({ grant }) => [`  ${localPart(grant.service)}`, timeLeft(grant, now), '']),
  ]
}

function renewal({ endTime, renewTill }: Grant, now: number): string {
  return renewTill === null || renewTill <= endTime ? '' : `renewable for ${formatDuration(renewTill - now)}`
}

function timeLeft({ endTime }: Grant, now: number): string {
  const left = endTime - now
  return left > 0 ? `ends in ${formatDuration(left)}` : `ended ${formatDuration(-left)} ago`
}

import { Command, InvalidArgumentError } from 'commander'
import type { Administration } from '../client/channel/administration.js'
import type { Realm } from '../client/connect.js'
import type { AuditFilter, Use } from '../shared/administration/audit.js'
import { AUDIT_OUTCOMES, type AuditLine, type AuditOutcome } from '../shared/administration/audit-line.js'
import { OrthrusError } from '../shared/errors.js'
import { patternIn } from '../shared/pattern.js'
import { isPrincipal, principalIn, type RealmName } from '../shared/principal.js'
import { printable, printableLine } from '../shared/printable.js'
import { DAY, formatTime, HOUR } from '../shared/time.js'
import { defaulted, parseDuration, parseInstant } from './arguments.js'
import { type ConnectionOptions, kdcTimeOf, withAdminConnection, withAdministration } from './connection.js'
import { answer, note, type Terminal, table } from './terminal.js'

/** Commands that read the audit log of the KDC. */

/** A time, or how long ago. */
type Since = { readonly ago: number } | { readonly at: number }

interface SinceOptions extends ConnectionOptions {
  readonly since: Since
}

interface AuditOptions extends SinceOptions {
  readonly follow?: boolean
  readonly client?: string
  readonly service?: string
  readonly outcome?: AuditOutcome
}

export function auditLogCommand(terminal: Terminal): Command {
  return withAdminConnection(new Command('audit'))
    .description('show what the KDC granted, refused and changed, and for whom, the oldest first')
    .addOption(sinceOption('1h', HOUR))
    .option(
      '--client <name>',
      'only of this client, or of the service that presents its ticket; web/* and * match',
    )
    .option('--service <name>', 'only about this service or principal')
    .option('--outcome <word>', `only with this outcome: ${AUDIT_OUTCOMES.join(', ')}`, parseOutcome)
    .option('--follow', 'go on with what is written from now on, until it is ended')
    .action((options: AuditOptions) =>
      withAdministration(terminal, options, async ({ audit }, realm) => {
        const filter = await filterOf(realm, options)
        let isEmpty = true
        for await (const { line, text } of audit.lines(filter, { follow: options.follow === true })) {
          isEmpty = false
          const told = options.json === true ? printable(text) : printableLine(toldLine(realm.realm, line))
          terminal.out(`${told}\n`)
        }
        if (isEmpty)
          note(terminal, options, `no line fits ${sinceText(filter)}, and a misspelt name fits none`)
      }),
    )
}

export function whoCommand(terminal: Terminal): Command {
  return usesCommand(terminal, {
    name: 'who',
    argument: '<service>',
    description: 'show who got tickets for a service lately; a ticket serves any number of calls to its end',
    filter: name => ({ service: name }),
    column: ({ client }) => client,
    nobody: 'nobody',
  })
}

export function usesOfCommand(terminal: Terminal): Command {
  return usesCommand(terminal, {
    name: 'uses',
    argument: '<client>',
    description:
      'show which services a client got tickets for lately; a ticket serves any number of calls to its end',
    filter: name => ({ client: name }),
    column: ({ service }) => service,
    nobody: 'nothing',
  })
}

interface UsesCommand {
  readonly name: string
  readonly argument: string
  readonly description: string
  readonly filter: (name: string) => Pick<AuditOptions, 'client' | 'service'>
  readonly column: (use: Use) => string
  readonly nobody: string
}

function usesCommand(
  terminal: Terminal,
  { name, argument, description, filter, column, nobody }: UsesCommand,
): Command {
  return withAdminConnection(new Command(name))
    .description(description)
    .argument(argument)
    .addOption(sinceOption('24h', DAY))
    .action((asked: string, options: SinceOptions) =>
      withAdministration(terminal, options, async (administration: Administration, realm: Realm) => {
        const within = await filterOf(realm, { ...options, ...filter(asked) })
        const uses = await administration.audit.uses(within)
        const rows = uses.map(use => rowOf(column(use), use))
        const unknown = rows.length === 0 && (await isUnknown(administration, realm, asked))
        const whose = unknown ? `; there is no principal ${asked} now: orthrus admin list` : ''
        const none = `${nobody} ${sinceText(within)}${whose}`
        answer(terminal, options, { uses }, rows.length === 0 ? none : table(rows))
      }),
    )
}

/** Of a pattern, or where this principal may not be told, nothing is known. */
async function isUnknown(administration: Administration, realm: Realm, name: string): Promise<boolean> {
  if (!isPrincipal(name.includes('@') ? name : `${name}@${realm.realm}`)) return false
  return await administration.show(principalIn(realm.realm, name)).then(
    () => false,
    (cause: unknown) => cause instanceof OrthrusError && cause.code === 'unknown_service',
  )
}

function rowOf(name: string, { granted, denied, at, from }: Use): string[] {
  const counts = [granted === 0 ? '' : tickets(granted), denied === 0 ? '' : `${denied} denied`]
  // An owner is not told from where.
  const address = from === '' ? [] : [`from ${from}`]
  return [name, counts.filter(text => text !== '').join(', '), `last ${formatTime(at)}`, ...address]
}

function tickets(count: number): string {
  return count === 1 ? '1 ticket' : `${count} tickets`
}

function sinceOption(typed: string, ago: number) {
  return defaulted<Since>(
    '--since <time>',
    'from when on: how long ago, as 15m or 7d, or an instant, as 2027-01-31T12:00:00Z',
    typed,
    text => (text === typed ? { ago } : parseSince(text)),
  )
}

function parseSince(text: string): Since {
  return /^[0-9]{4}-/.test(text) ? { at: parseInstant(text) } : { ago: parseDuration(text) }
}

function parseOutcome(text: string): AuditOutcome {
  const outcome = AUDIT_OUTCOMES.find(each => each === text)
  if (outcome === undefined) throw new InvalidArgumentError(`Write one of ${AUDIT_OUTCOMES.join(', ')}.`)
  return outcome
}

async function filterOf(
  realm: Realm,
  { client, service, outcome, since }: AuditOptions,
): Promise<AuditFilter> {
  const pattern = (name: string | undefined) => (name === undefined ? null : patternIn(realm.realm, name))
  return {
    client: pattern(client),
    service: pattern(service),
    outcome: outcome ?? null,
    since: 'at' in since ? since.at : Math.max(0, (await kdcTimeOf(realm)) - since.ago),
  }
}

/** What may be mended where nothing was found. */
function sinceText({ since }: AuditFilter): string {
  return `since ${formatTime(since ?? 0)} (--since 7d looks further back)`
}

/** `2027-01-31T12:00:00.000Z  granted  web -> orders  TGS  from 10.0.0.7  by allow web orders  ticket 3f..  tgt 91..` */
function toldLine(realm: RealmName, line: AuditLine): string {
  const short = (text: string) => text.replaceAll(`@${realm}`, '')
  const {
    at,
    outcome,
    kind,
    client,
    via,
    service,
    exchange,
    method,
    on,
    from,
    code,
    reason,
    rule,
    ticket,
    tgt,
    count,
    id,
    replica,
  } = line
  const who = { log: 'the audit log', kdc: 'the KDC', administration: client ?? 'the KDC itself' }
  const parts = [
    at,
    outcome.padEnd(9),
    kind in who ? who[kind as keyof typeof who] : (client ?? ''),
    via === undefined ? '' : `by way of ${via}`,
    service === undefined ? '' : `-> ${service}`,
    method === undefined ? '' : [method, ...(on ?? [])].join(' '),
    exchange ?? '',
    code ?? '',
    reason ?? '',
    count === undefined ? '' : `${count} of them`,
    rule === undefined ? '' : `by the rule ${rule}`,
    id === undefined ? '' : `id ${id}`,
    from === undefined ? '' : `from ${from}`,
    ticket === undefined ? '' : `ticket ${ticket}`,
    tgt === undefined ? '' : `tgt ${tgt}`,
    replica === undefined ? '' : `KDC ${replica}`,
  ]
  return short(parts.filter(part => part !== '').join('  '))
}

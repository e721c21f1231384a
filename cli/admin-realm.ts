import { Command, InvalidArgumentError } from 'commander'
import { writeDuration } from '../shared/administration/policy-text.js'
import type { RealmChanges, RealmSummary, RotationSchedule } from '../shared/administration/realm.js'
import { formatTime } from '../shared/time.js'
import { parseDuration } from './arguments.js'
import { type ConnectionOptions, withAdminConnection, withAdministration } from './connection.js'
import { given } from './given.js'
import { answer, type Terminal, table } from './terminal.js'

interface RealmOptions extends ConnectionOptions {
  readonly maxTgtLife?: number
  readonly maxServiceLife?: number
  readonly maxRenew?: number
  readonly rotateKrbtgt?: Age
  readonly rotateKdc?: Age
  readonly rotatePrincipals?: Age
  readonly survive?: Outage
}

/** `orthrus admin realm`: shows the realm's settings, and changes those that are given. */
export function realmCommand(terminal: Terminal): Command {
  return withAdminConnection(new Command('realm'))
    .description(
      'show the lifetimes of tickets and the ages of keys in the realm, and change those that are given',
    )
    .option('--max-tgt-life <time>', 'no TGT lives longer, as 10h', parseDuration)
    .option('--max-service-life <time>', 'no ticket for a service lives longer, as 1h', parseDuration)
    .option('--max-renew <time>', 'no TGT is renewed for longer, as 7d', parseDuration)
    .option('--rotate-krbtgt <time>', 'how old the key of krbtgt gets, as 30d, or never', parseAge)
    .option('--rotate-kdc <time>', 'how old the key of kdc gets, as 30d, or never', parseAge)
    .option(
      '--rotate-principals <time>',
      'how old other keys get before they are due, as 90d, or never',
      parseAge,
    )
    .option(
      '--survive <time>',
      'clients and services go on for so long without any KDC, as 24h, or none; lengthens lifetimes as needed',
      parseOutage,
    )
    .action((options: RealmOptions) =>
      withAdministration(terminal, options, async ({ settings }) => {
        const changes = changesIn(options)
        const summary = changes === undefined ? await settings.show() : await settings.change(changes)
        const text = table(rowsOf(summary))
        answer(terminal, options, summary, changes?.survive ? `${text}\n\n${priceOf(summary)}` : text)
      }),
    )
}

type Age = number | 'never'

function parseAge(text: string): Age {
  if (text === 'never') return text
  try {
    return parseDuration(text)
  } catch {
    throw new InvalidArgumentError('Write a time as 30d, or never.')
  }
}

type Outage = number | 'none'

function parseOutage(text: string): Outage {
  if (text === 'none') return text
  try {
    return parseDuration(text)
  } catch {
    throw new InvalidArgumentError('Write a time as 24h, or none.')
  }
}

/** `undefined` if nothing is to change. */
function changesIn(options: RealmOptions): RealmChanges | undefined {
  const { maxTgtLife, maxServiceLife, maxRenew, rotateKrbtgt, rotateKdc, rotatePrincipals } = options
  const lives = given({ maxTgtLife, maxServiceLife, maxRenew })
  const rotation: Partial<RotationSchedule> = given({
    krbtgt: ageOf(rotateKrbtgt),
    kdc: ageOf(rotateKdc),
    principals: ageOf(rotatePrincipals),
  })
  const survive = given({ survive: options.survive === 'none' ? null : options.survive })
  const changes = { ...lives, ...survive }
  const isNone = Object.keys(changes).length === 0 && Object.keys(rotation).length === 0
  return isNone ? undefined : { ...changes, rotation }
}

function ageOf(age: Age | undefined): number | null | undefined {
  return age === 'never' ? null : age
}

function rowsOf(summary: RealmSummary): string[][] {
  const { realm, maxTgtLife, maxServiceLife, maxRenew, longestLife, rotation, survive, createdAt } = summary
  const age = (milliseconds: number | null) => (milliseconds === null ? 'never' : writeDuration(milliseconds))
  return [
    ['realm', realm],
    ['longest TGT', writeDuration(maxTgtLife)],
    ['longest ticket for a service', writeDuration(maxServiceLife)],
    ['TGTs renewed for', writeDuration(maxRenew)],
    ['survives without a KDC', survive === null ? 'not set' : writeDuration(survive)],
    ['longest ever', `${writeDuration(longestLife)} (old keys and revocations are kept as long)`],
    ['key of krbtgt changes after', age(rotation.krbtgt)],
    ['key of kdc changes after', age(rotation.kdc)],
    ['other keys are due after', age(rotation.principals)],
    ['created', formatTime(createdAt)],
  ]
}

/** What it costs that tickets live for an outage, in words. */
function priceOf({ survive, maxServiceLife, maxTgtLife }: RealmSummary): string {
  const [outage, service, tgt] = [survive ?? 0, maxServiceLife, maxTgtLife].map(writeDuration)
  return [
    `Clients whose tickets are in use go on for ${outage} without any KDC once they have tickets of these lifetimes, which`,
    'is when the TGTs that were issued before have ended, or when a client is started again.',
    'The price: while a KDC can be reached, nothing changes. While none can be reached, whoever is revoked or robbed is',
    `accepted by services that follow the KDC for up to ${outage}, and by services that do not until the ticket ends, up to`,
    `${service}. A stolen TGT is good for up to ${tgt} if it is not revoked. Rules and principals with a shorter --max-life`,
    'keep it, and their clients go on for a shorter time. Services that follow must run this version or a later one.',
  ].join('\n')
}

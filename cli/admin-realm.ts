import { Command, InvalidArgumentError } from 'commander'
import type { RealmChanges, RealmSummary, RotationSchedule } from '../shared/administration/realm.js'
import { formatTime } from '../shared/time.js'
import { parseDuration, typedDuration } from './arguments.js'
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
    .action((options: RealmOptions) =>
      withAdministration(terminal, options, async ({ settings }) => {
        const changes = changesIn(options)
        const summary = changes === undefined ? await settings.show() : await settings.change(changes)
        answer(terminal, options, summary, table(rowsOf(summary)))
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

/** `undefined` if nothing is to change. */
function changesIn(options: RealmOptions): RealmChanges | undefined {
  const { maxTgtLife, maxServiceLife, maxRenew, rotateKrbtgt, rotateKdc, rotatePrincipals } = options
  const lives = given({ maxTgtLife, maxServiceLife, maxRenew })
  const rotation: Partial<RotationSchedule> = given({
    krbtgt: ageOf(rotateKrbtgt),
    kdc: ageOf(rotateKdc),
    principals: ageOf(rotatePrincipals),
  })
  const isNone = Object.keys(lives).length === 0 && Object.keys(rotation).length === 0
  return isNone ? undefined : { ...lives, rotation }
}

function ageOf(age: Age | undefined): number | null | undefined {
  return age === 'never' ? null : age
}

function rowsOf(summary: RealmSummary): string[][] {
  const { realm, maxTgtLife, maxServiceLife, maxRenew, longestLife, rotation, createdAt } = summary
  const age = (milliseconds: number | null) => (milliseconds === null ? 'never' : typedDuration(milliseconds))
  return [
    ['realm', realm],
    ['longest TGT', typedDuration(maxTgtLife)],
    ['longest ticket for a service', typedDuration(maxServiceLife)],
    ['TGTs renewed for', typedDuration(maxRenew)],
    ['longest ever', `${typedDuration(longestLife)} (old keys and revocations are kept as long)`],
    ['key of krbtgt changes after', age(rotation.krbtgt)],
    ['key of kdc changes after', age(rotation.kdc)],
    ['other keys are due after', age(rotation.principals)],
    ['created', formatTime(createdAt)],
  ]
}

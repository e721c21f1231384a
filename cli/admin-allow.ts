import { Command } from 'commander'
import type { Administration } from '../client/channel/administration.js'
import type { Realm } from '../client/connect.js'
import { isOver, type PolicyRule } from '../shared/administration/rule.js'
import { changeText, ruleCells, ruleObject } from '../shared/administration/rule-text.js'
import { denialText, nobodyText } from '../shared/administration/rule-warnings.js'
import { OrthrusError } from '../shared/errors.js'
import { EVERYONE, isGroup, type Pattern, patternIn, patternsOf } from '../shared/pattern.js'
import { isPrincipal, type Principal } from '../shared/principal.js'
import { rulesFor } from './admin-policy.js'
import {
  collectNames,
  type End,
  instantOf,
  parseClaim,
  parseDuration,
  parseEnd,
  parseMethods,
  parsePaths,
  parseRate,
  valued,
} from './arguments.js'
import { type ConnectionOptions, kdcTimeOf, withAdminConnection, withAdministration } from './connection.js'
import { type AllowOptions, amendRule, bareRule, requireConsistent } from './rule-amendment.js'
import { answer, type Terminal, warn } from './terminal.js'

export function allowCommand(terminal: Terminal): Command {
  return withAdminConnection(new Command('allow'))
    .description('let a client get tickets for a service; web/*, @group and * match')
    .summary('let a client get tickets for a service')
    .argument('<client>', 'a name, every instance of it as web/*, a group as @backend, or * for everyone')
    .argument('<service>', 'the same')
    .option('--claim <name=value>', 'what each ticket grants; may be repeated', parseClaim)
    .addOption(valued('--no-claim <name>', 'grant this claim no longer; may be repeated', collectNames))
    .option('--max-life <time>', 'no such ticket lives longer, as 1h', parseDuration)
    .option('--no-max-life', "as long as the realm's tickets live")
    .option('--methods <list>', 'HTTP methods that the tickets are good for, as GET,HEAD', parseMethods)
    .option('--no-methods', 'all methods')
    .option('--paths <list>', 'path prefixes that the tickets are good for, as /a,/b', parsePaths)
    .option('--no-paths', 'all paths')
    .option('--delegable', 'the client may hand such tickets to a named delegate')
    .option('--no-delegable', 'it may not')
    .option('--until <end>', 'the rule ends then, and its tickets with it, as 2027-01-31 or 7d', parseEnd)
    .option('--no-until', 'it has no end')
    .option('--rate <rate>', 'how many such tickets each client gets, as 10/s, 600/m', parseRate)
    .option('--no-rate', 'no limit but those of the KDC')
    .option('--replace', 'forget first what a rule of this pair said')
    .option('--renew', 'keep what a rule of this pair said that has ended; say until when')
    .addHelpText('after', ALLOW_HELP)
    .action((client: string, service: string, options: AllowOptions) => {
      requireConsistent(options)
      return changeRule(terminal, [client, service], options, (pair, before, now) =>
        amendRule(...pair, before, options, now),
      )
    })
}

const ALLOW_HELP = `
Where this pair has a rule already, what the options name changes, and the rest of the rule stays:

  orthrus admin allow web orders --claim role=reader
  orthrus admin allow web orders --delegable             # still has role=reader
  orthrus admin allow web orders --no-claim role         # still delegable

A rule that has ended says nothing any more. For a day it can be renewed with all that it said:

  orthrus admin allow web orders --renew --until 7d

A deny of the same pair is taken away. Any other deny that matches still wins.`

export function denyCommand(terminal: Terminal): Command {
  return withAdminConnection(new Command('deny'))
    .description('let a client get no tickets for a service; a deny wins over whatever allows')
    .summary('let a client get no tickets for a service')
    .argument('<client>', 'a name, every instance of it as web/*, a group as @backend, or * for everyone')
    .argument('<service>', 'the same')
    .option('--until <end>', 'the rule ends then, as 2027-01-31 or 7d', parseEnd)
    .action((client: string, service: string, options: ConnectionOptions & { readonly until?: End }) =>
      changeRule(terminal, [client, service], options, (pair, _, now) => ({
        ...bareRule(...pair, 'deny'),
        until: options.until === undefined ? null : instantOf(options.until, now),
      })),
    )
}

type Pair = readonly [client: Pattern, service: Pattern]

async function changeRule(
  terminal: Terminal,
  names: readonly [client: string, service: string],
  options: ConnectionOptions,
  amend: (pair: Pair, before: PolicyRule | null, now: number) => PolicyRule,
): Promise<void> {
  await withAdministration(terminal, options, async (administration, connected) => {
    const { realm } = connected
    const now = await kdcTimeOf(connected)
    const pair: Pair = [patternIn(realm, names[0]), patternIn(realm, names[1])]
    const { before, after } = await administration.changeRule(...pair, found => amend(pair, found, now))
    const text = `${ruleCells(realm, after).join(' ').trimEnd()}\n  ${changeText(before, after)}`
    answer(terminal, options, { ...ruleObject(after), before: before && ruleObject(before) }, text)
    for (const pattern of new Set(pair))
      await ifAllowed(() => warnOfNobody(terminal, options, administration, pattern))
    if (after.effect === 'allow')
      await ifAllowed(() => warnOfDenials(terminal, options, administration, connected, pair))
  })
}

/** The owner of a service may not look at all that an administrator is warned of. */
async function ifAllowed(warnAbout: () => Promise<void>): Promise<void> {
  try {
    await warnAbout()
  } catch (cause) {
    if (!(cause instanceof OrthrusError && cause.code === 'not_authorized')) throw cause
  }
}

/** A rule about a name that nobody has is usually a name with a slip in it. */
async function warnOfNobody(
  terminal: Terminal,
  options: ConnectionOptions,
  administration: Administration,
  pattern: Pattern,
): Promise<void> {
  if (pattern === EVERYONE) return
  if (isGroup(pattern)) {
    if (await hasMember(administration, pattern)) return
    warn(terminal, options, nobodyText(pattern))
    return
  }
  if (isPrincipal(pattern)) {
    if (await isRegistered(administration, pattern)) return
    warn(terminal, options, nobodyText(pattern))
  } else if (!(await hasInstance(administration, pattern))) {
    warn(terminal, options, nobodyText(pattern))
  }
}

async function hasMember(administration: Administration, group: Pattern): Promise<boolean> {
  for await (const _ of administration.groups.members(group)) return true
  return false
}

async function hasInstance(administration: Administration, pattern: Pattern): Promise<boolean> {
  for await (const { principal } of administration.list()) {
    if (patternsOf(principal).includes(pattern)) return true
  }
  return false
}

async function isRegistered(administration: Administration, principal: Principal): Promise<boolean> {
  try {
    await administration.show(principal)
    return true
  } catch (cause) {
    if (cause instanceof OrthrusError && cause.code === 'unknown_service') return false
    throw cause
  }
}

/** An allowance that another rule denies changes nothing, which would be looked for in vain at the client. */
async function warnOfDenials(
  terminal: Terminal,
  options: ConnectionOptions,
  administration: Administration,
  connected: Realm,
  pair: Pair,
): Promise<void> {
  const { realm } = connected
  const now = await kdcTimeOf(connected)
  const rules = await rulesFor(administration, pair)
  const denials = rules.filter(rule => rule.effect === 'deny' && !isOver(rule, now))
  for (const denial of denials) warn(terminal, options, denialText(realm, denial))
}

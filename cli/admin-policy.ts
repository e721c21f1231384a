import { Command } from 'commander'
import type { Administration } from '../client/channel/administration.js'
import { isOver, type PolicyRule } from '../shared/administration/rule.js'
import { ruleCells, ruleObject } from '../shared/administration/rule-text.js'
import { OrthrusError } from '../shared/errors.js'
import { nearestOf } from '../shared/options.js'
import { type Pattern, patternIn, patternsOf, shortPattern } from '../shared/pattern.js'
import { isPrincipal, kdcService, type Principal, type RealmName } from '../shared/principal.js'
import { applyCommand, diffCommand, exportCommand } from './admin-policy-file.js'
import { type ConnectionOptions, kdcTimeOf, withAdminConnection, withAdministration } from './connection.js'
import { answer, type Terminal, table } from './terminal.js'

interface PolicyOptions extends ConnectionOptions {
  readonly forget?: boolean
}

export function policyCommand(terminal: Terminal): Command {
  const policyOf = withAdminConnection(new Command('policy'))
    .description('show all rules, or those that decide about CLIENT and SERVICE; or forget one; or as a file')
    .summary('show the rules, or forget one')
    .option('--forget', 'take away the rule of exactly this CLIENT and SERVICE')
    .argument('[client]', 'only the rules that match it; a pattern, as web/*, only its own')
    .argument('[service]', 'the same')
    .action((client: string | undefined, service: string | undefined, options: PolicyOptions) =>
      policy(terminal, [client, service], options),
    )
  for (const make of [exportCommand, diffCommand, applyCommand]) policyOf.addCommand(make(terminal))
  return policyOf
}

/** Whose rules are meant; undefined stands for all. */
type Asked = readonly [client: Pattern | undefined, service: Pattern | undefined]

async function policy(
  terminal: Terminal,
  [client, service]: readonly [client: string | undefined, service: string | undefined],
  options: PolicyOptions,
): Promise<void> {
  if (options.forget === true && service === undefined)
    throw new TypeError('--forget needs CLIENT and SERVICE, as the list has them: orthrus admin policy')
  await withAdministration(terminal, options, async (administration, connected) => {
    const { realm } = connected
    const now = await kdcTimeOf(connected)
    const named = (name: string | undefined) => (name === undefined ? undefined : patternIn(realm, name))
    const asked: Asked = [named(client), named(service)]
    if (options.forget === true) return forget(terminal, administration, asked, options)
    const rules = await rulesFor(administration, asked)
    const rows = table(rules.map(rule => ruleCells(realm, rule, now)))
    const text = [
      rows,
      verdict(
        realm,
        rules.filter(rule => !isOver(rule, now)),
        asked,
      ),
      rules.length === 0 && client !== undefined && service === undefined ? subcommandMeant(client) : '',
    ]
      .filter(line => line !== '')
      .join('\n')
    answer(terminal, options, { rules: rules.map(ruleObject) }, text)
  })
}

/** A misspelt subcommand is taken for a client, since a client may have any name. */
function subcommandMeant(client: string): string {
  const meant = nearestOf(client, ['export', 'diff', 'apply'])
  return meant === undefined
    ? ''
    : `${client} was taken for a client; did you mean: orthrus admin policy ${meant}?`
}

async function forget(
  terminal: Terminal,
  administration: Administration,
  [client, service]: Asked,
  options: PolicyOptions,
): Promise<void> {
  if (client === undefined || service === undefined) return
  await administration.forget(client, service)
  answer(terminal, options, { forgotten: { client, service } }, 'forgotten')
}

/**
 * The rules that decide about a client and a service, the most specific first. For a pattern, only rules that are
 * exactly for it.
 */
export async function rulesFor(
  administration: Administration,
  [client, service]: Asked,
): Promise<PolicyRule[]> {
  const [clients, services] = [
    await matching(administration, client),
    await matching(administration, service),
  ]
  const rules: PolicyRule[] = []
  for await (const rule of administration.policy()) {
    if (rankIn(clients, rule.client) >= 0 && rankIn(services, rule.service) >= 0) rules.push(rule)
  }
  const rank = (rule: PolicyRule): [number, number] => [
    rankIn(clients, rule.client),
    rankIn(services, rule.service),
  ]
  return rules.sort((a, b) => rank(a)[0] - rank(b)[0] || rank(a)[1] - rank(b)[1])
}

/** The patterns of rules that match the question; undefined if all do. */
async function matching(
  administration: Administration,
  asked: Pattern | undefined,
): Promise<readonly Pattern[] | undefined> {
  if (asked === undefined) return undefined
  return isPrincipal(asked) ? patternsOf(asked, await groupsOf(administration, asked)) : [asked]
}

const HIDDEN: ReadonlySet<string> = new Set(['unknown_service', 'not_authorized'])

/** Of a principal that does not exist yet, or that the owner of a service may not look at, none. */
async function groupsOf(administration: Administration, principal: Principal): Promise<readonly Pattern[]> {
  try {
    return (await administration.show(principal)).groups
  } catch (cause) {
    const isHidden = cause instanceof OrthrusError && HIDDEN.has(cause.code)
    if (isHidden) return []
    throw cause
  }
}

function rankIn(patterns: readonly Pattern[] | undefined, pattern: Pattern): number {
  return patterns === undefined ? 0 : patterns.indexOf(pattern)
}

/** What the rules mean, if that is not obvious. */
function verdict(realm: RealmName, rules: readonly PolicyRule[], [client, service]: Asked): string {
  if (client === undefined) return rules.length > 0 ? '' : 'no rule: nobody gets a ticket for anything'
  if (service === undefined || !isPrincipal(client) || !isPrincipal(service)) {
    return rules.length > 0
      ? ''
      : 'no rule for exactly this; others, with * or NAME/*, may match it: orthrus admin policy shows all'
  }
  const [shortClient, shortService] = [shortPattern(realm, client), shortPattern(realm, service)]
  if (rules.some(({ effect }) => effect === 'deny'))
    return `${shortClient} gets no ticket for ${shortService}: a deny wins over whatever allows`
  if (rules.length > 1) return `of these the first decides about ${shortClient} and ${shortService}`
  if (rules.length === 1) return ''
  return (service as string) === kdcService(realm)
    ? `no rule: ${shortClient} gets a ticket for kdc, with which it can administer nothing`
    : `no rule: ${shortClient} gets no ticket for ${shortService}; to change that: orthrus admin allow ${shortClient} ${shortService}`
}

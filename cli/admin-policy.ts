import { Command } from 'commander'
import type { Realm } from '../client/connect.js'
import type { PolicyRule } from '../shared/channel/administration.js'
import { patternIn, shortPattern } from '../shared/pattern.js'
import {
  type ClaimArgument,
  collectClaims,
  formatDuration,
  parseClaim,
  parseDuration,
  parseList,
  parseMethods,
} from './arguments.js'
import { type ConnectionOptions, withAdministration, withConnection } from './connection.js'
import { answer, type Terminal, table } from './terminal.js'

interface AllowOptions extends ConnectionOptions {
  readonly claim?: ClaimArgument[]
  readonly maxLife?: number
  readonly methods?: string[]
  readonly paths?: string[]
  readonly delegable?: boolean
}

export function allowCommand(terminal: Terminal): Command {
  return withConnection(new Command('allow'))
    .description('let a client get tickets for a service; web/* and * match')
    .argument('<client>')
    .argument('<service>')
    .option('--claim <name=value>', 'what each ticket grants; may be repeated', parseClaim)
    .option('--max-life <time>', 'no such ticket lives longer, as 1h', parseDuration)
    .option('--methods <list>', 'HTTP methods the tickets are good for, as GET,HEAD', parseMethods)
    .option('--paths <list>', 'path prefixes the tickets are good for, as /a,/b', parseList)
    .option('--delegable', 'the client may hand such tickets to a named delegate')
    .action((client: string, service: string, options: AllowOptions) =>
      setRule(terminal, client, service, options, {
        effect: 'allow',
        claims: collectClaims(options.claim ?? []),
        maxLife: options.maxLife ?? null,
        methods: options.methods ?? null,
        paths: options.paths ?? null,
        delegable: options.delegable === true,
      }),
    )
}

export function denyCommand(terminal: Terminal): Command {
  return withConnection(new Command('deny'))
    .description('let a client get no tickets for a service; a denial wins over whatever allows')
    .argument('<client>')
    .argument('<service>')
    .action((client: string, service: string, options: ConnectionOptions) =>
      setRule(terminal, client, service, options, {
        effect: 'deny',
        claims: [],
        maxLife: null,
        methods: null,
        paths: null,
        delegable: false,
      }),
    )
}

async function setRule(
  terminal: Terminal,
  client: string,
  service: string,
  options: ConnectionOptions,
  rest: Omit<PolicyRule, 'client' | 'service'>,
): Promise<void> {
  await withAdministration(terminal, options, async (administration, realm) => {
    const rule = { client: patternIn(realm.realm, client), service: patternIn(realm.realm, service), ...rest }
    await administration.setRule(rule)
    answer(terminal, options, ruleObject(rule), ruleText(realm, rule).join(' '))
  })
}

interface PolicyOptions extends ConnectionOptions {
  readonly forget?: boolean
}

export function policyCommand(terminal: Terminal): Command {
  return withConnection(new Command('policy'))
    .description('show all rules, or forget one')
    .option('--forget', 'take away the rule of exactly this CLIENT and SERVICE')
    .argument('[client]')
    .argument('[service]')
    .action((client: string | undefined, service: string | undefined, options: PolicyOptions) =>
      policy(terminal, client, service, options),
    )
}

async function policy(
  terminal: Terminal,
  client: string | undefined,
  service: string | undefined,
  options: PolicyOptions,
): Promise<void> {
  const named = client !== undefined && service !== undefined
  if (options.forget === true && !named)
    throw new TypeError('--forget needs CLIENT and SERVICE, as in the list')
  await withAdministration(terminal, options, async (administration, realm) => {
    const wanted = [client, service].map(name => name && patternIn(realm.realm, name))
    if (options.forget === true) {
      const [clientPattern, servicePattern] = [client, service].map(name =>
        patternIn(realm.realm, name ?? ''),
      )
      if (clientPattern === undefined || servicePattern === undefined) return
      await administration.forget(clientPattern, servicePattern)
      answer(
        terminal,
        options,
        { forgotten: { client: clientPattern, service: servicePattern } },
        'forgotten',
      )
      return
    }
    const rules: PolicyRule[] = []
    for await (const rule of administration.policy()) {
      if ((wanted[0] ?? rule.client) === rule.client && (wanted[1] ?? rule.service) === rule.service)
        rules.push(rule)
    }
    const text =
      rules.length === 0 ? noRule(client !== undefined) : table(rules.map(rule => ruleText(realm, rule)))
    answer(terminal, options, { rules: rules.map(ruleObject) }, text)
  })
}

function noRule(named: boolean): string {
  return named
    ? 'no rule for exactly this; others, with * or NAME/*, may match it: orthrus admin policy shows all'
    : 'no rule: nobody gets a ticket for anything'
}

function ruleObject({ claims, ...rule }: PolicyRule): object {
  return { ...rule, claims: Object.fromEntries(claims) }
}

function ruleText({ realm }: Realm, rule: PolicyRule): string[] {
  const extras = [
    ...rule.claims.map(([name, value]) => `${name}=${Array.isArray(value) ? value.join(',') : value}`),
    ...(rule.maxLife === null ? [] : [`at most ${formatDuration(rule.maxLife)}`]),
    ...(rule.methods === null ? [] : [`methods ${rule.methods.join(',')}`]),
    ...(rule.paths === null ? [] : [`paths ${rule.paths.join(',')}`]),
    ...(rule.delegable ? ['delegable'] : []),
  ]
  return [
    rule.effect,
    shortPattern(realm, rule.client),
    '->',
    shortPattern(realm, rule.service),
    extras.join(', '),
  ]
}

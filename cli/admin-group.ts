import { Command } from 'commander'
import type { Administration } from '../client/channel/administration.js'
import type { Realm } from '../client/connect.js'
import type { GroupChange } from '../shared/administration/groups.js'
import { parseGroup, shortPattern } from '../shared/pattern.js'
import { type Principal, principalIn } from '../shared/principal.js'
import { type ConnectionOptions, withAdminConnection, withAdministration } from './connection.js'
import { answer, type Terminal, table } from './terminal.js'

/** `orthrus admin group`: who is in which group of policy. Rules name a group as @NAME. */
export function groupCommand(terminal: Terminal): Command {
  const group = new Command('group').description('put principals into groups, which rules name as @NAME')
  for (const make of [addCommand, removeCommand, listCommand, showCommand]) group.addCommand(make(terminal))
  return group
}

interface Moving {
  readonly word: 'add' | 'remove'
  readonly description: string
  readonly move: (administration: Administration, change: GroupChange) => Promise<Principal[]>
  readonly done: string
  readonly to: string
  readonly nothing: string
}

function movingCommand(terminal: Terminal, { word, description, move, done, to, nothing }: Moving): Command {
  return withAdminConnection(new Command(word))
    .description(description)
    .argument('<group>', 'as backend or @backend')
    .argument('<name...>', 'principals; neither patterns nor groups')
    .action((text: string, names: string[], options: ConnectionOptions) =>
      withAdministration(terminal, options, async (administration, { realm }) => {
        const group = parseGroup(text)
        const principals = [...new Set(names.map(name => principalIn(realm, name)))]
        const moved = await move(administration, { group, principals })
        const rest = principals.filter(name => !moved.includes(name))
        const told = (list: readonly Principal[], said: string) =>
          list.length === 0
            ? []
            : [`${list.map(name => shortPattern(realm, name)).join(', ')} ${said} ${group}`]
        answer(
          terminal,
          options,
          { group, [done]: moved },
          [...told(moved, `${done} ${to}`), ...told(rest, nothing)].join('\n'),
        )
      }),
    )
}

const addCommand = (terminal: Terminal): Command =>
  movingCommand(terminal, {
    word: 'add',
    description: 'put principals into a group, in force with their next ticket',
    move: ({ groups }, change) => groups.add(change),
    done: 'added',
    to: 'to',
    nothing: 'already in',
  })

const removeCommand = (terminal: Terminal): Command =>
  movingCommand(terminal, {
    word: 'remove',
    description: 'take principals out of a group, in force with their next ticket',
    move: ({ groups }, change) => groups.remove(change),
    done: 'removed',
    to: 'from',
    nothing: 'not in',
  })

function listCommand(terminal: Terminal): Command {
  return withAdminConnection(new Command('list'))
    .description('list all groups and who is in them')
    .action((options: ConnectionOptions) =>
      withAdministration(terminal, options, async ({ groups }, { realm }) => {
        const all = await groups.list()
        const rows = [...all].map(([group, names]) => [
          group,
          names.map(name => shortPattern(realm, name)).join(' '),
        ])
        const text = rows.length > 0 ? table(rows) : 'no group: orthrus admin group add GROUP NAME makes one'
        answer(terminal, options, { groups: Object.fromEntries(all) }, text)
      }),
    )
}

function showCommand(terminal: Terminal): Command {
  return withAdminConnection(new Command('show'))
    .description('list who is in a group, and the rules that name it')
    .argument('<group>', 'as backend or @backend')
    .action((text: string, options: ConnectionOptions) =>
      withAdministration(terminal, options, (administration, realm) =>
        show(terminal, administration, realm, text, options),
      ),
    )
}

async function show(
  terminal: Terminal,
  administration: Administration,
  { realm }: Realm,
  text: string,
  options: ConnectionOptions,
): Promise<void> {
  const { ruleCells, ruleObject } = await import('../shared/administration/rule-text.js')
  const group = parseGroup(text)
  const members: Principal[] = []
  for await (const { principal } of administration.groups.members(group)) members.push(principal)
  const rules = []
  for await (const rule of administration.policy()) {
    if (rule.client === group || rule.service === group) rules.push(rule)
  }
  const names = members.map(name => shortPattern(realm, name)).join(' ')
  const told = [
    names === '' ? `nobody is in ${group}: orthrus admin group add ${group.slice(1)} NAME` : names,
    table(rules.map(rule => ruleCells(realm, rule))),
  ].filter(line => line !== '')
  answer(terminal, options, { group, members, rules: rules.map(ruleObject) }, told.join('\n'))
}

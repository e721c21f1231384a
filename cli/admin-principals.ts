import { Command } from 'commander'
import type { Administration } from '../client/channel/administration.js'
import type { DueKey } from '../shared/administration/keys.js'
import type { PrincipalSummary } from '../shared/administration/principals.js'
import { typedPair } from '../shared/administration/why-steps.js'
import { type Principal, principalIn, type RealmName } from '../shared/principal.js'
import { formatDuration, formatTime } from '../shared/time.js'
import { type ConnectionOptions, kdcTimeOf, withAdminConnection, withAdministration } from './connection.js'
import { CommandFailed, EXIT } from './failure.js'
import { tellRefusedBy, type WaitOptions, waitOption } from './refused-by.js'
import { answer, answerEach, note, type Tell, type Terminal, table } from './terminal.js'

export function listCommand(terminal: Terminal): Command {
  return withAdminConnection(new Command('list'))
    .description('list all principals')
    .option('--due', 'only those whose key is due to change; the exit code is 3 if there are any')
    .action((options: ConnectionOptions & { readonly due?: boolean }) =>
      withAdministration(terminal, options, async (administration, realm) => {
        if (options.due === true) return listDue(terminal, administration, options)
        const principals: PrincipalSummary[] = []
        for await (const principal of administration.list()) principals.push(principal)
        const now = await kdcTimeOf(realm)
        answer(terminal, options, { principals }, table(principals.map(each => rowOf(each, now))))
      }),
    )
}

async function listDue(
  terminal: Terminal,
  { keys }: Administration,
  options: ConnectionOptions,
): Promise<void> {
  const due: DueKey[] = []
  for await (const key of keys.due()) due.push(key)
  answer(terminal, options, { due }, table(due.map(dueRow)))
  if (due.length > 0) throw new CommandFailed('', { exitCode: EXIT.DUE })
}

function dueRow({ principal, kvno, createdAt, due, askedAt }: DueKey): string[] {
  const why = askedAt === null ? 'by its age' : `asked for ${formatTime(askedAt)}`
  return [principal, `kvno ${kvno}`, `since ${formatTime(createdAt)}`, `due ${formatTime(due)}`, why]
}

/** @param now KDC time, milliseconds */
function rowOf(summary: PrincipalSummary, now: number): string[] {
  const { principal, kvnos, keyCreatedAt, passwordBased } = summary
  const state = stateOf(summary, now)
  if (kvnos.length === 0) return [principal, 'no key', '', state]
  const since = keyCreatedAt === null ? '' : `since ${formatTime(keyCreatedAt)}`
  return [principal, `kvno ${kvnos.join(',')}`, passwordBased ? 'password' : 'key', state, since]
}

function stateOf({ disabled, expiresAt }: PrincipalSummary, now: number): string {
  if (disabled) return 'disabled'
  if (expiresAt === null) return ''
  return `${expiresAt <= now ? 'expired' : 'expires'} ${formatTime(expiresAt)}`
}

export function showCommand(terminal: Terminal): Command {
  return withAdminConnection(new Command('show'))
    .description('show one principal')
    .argument('<name>')
    .action((name: string, options: ConnectionOptions) =>
      withAdministration(terminal, options, async (administration, realm) => {
        const summary = await administration.show(principalIn(realm.realm, name))
        answer(terminal, options, summary, table(factsOf(summary, await kdcTimeOf(realm))))
      }),
    )
}

function keysOf({ kvnos, keyCreatedAt, passwordBased }: PrincipalSummary): string {
  if (kvnos.length === 0) return 'none'
  const since = keyCreatedAt === null ? '' : `, the current one since ${formatTime(keyCreatedAt)}`
  return `kvno ${kvnos.join(', ')}${since}${passwordBased ? ', from a password' : ''}`
}

function factsOf(summary: PrincipalSummary, now: number): string[][] {
  const life = (time: number | null) => (time === null ? "the realm's" : formatDuration(time))
  return [
    ['principal', summary.principal],
    ['keys', keysOf(summary)],
    ['state', stateOf(summary, now) || 'enabled'],
    ['groups', summary.groups.join(' ') || 'none'],
    ['longest ticket', life(summary.maxLife)],
    ['renewed for', life(summary.maxRenew)],
    ['created', formatTime(summary.createdAt)],
    ['changed', formatTime(summary.changedAt)],
  ]
}

/** A command that makes one change to each principal that it is given. */
function changeCommand(
  name: string,
  description: string,
  done: string,
  change: (administration: Administration, principal: Principal) => Promise<void>,
): (terminal: Terminal) => Command {
  return terminal =>
    withAdminConnection(new Command(name))
      .description(description)
      .argument('<name...>')
      .action((names: string[], options: ConnectionOptions) =>
        withAdministration(terminal, options, (administration, realm) =>
          answerEach(terminal, options, done, async tell => {
            for (const principal of names.map(each => principalIn(realm.realm, each))) {
              await change(administration, principal)
              tell(principal, `${done} ${principal}`)
            }
          }),
        ),
      )
}

/** The same for a change that revokes. It then says which services refuse by now. */
function revokingCommand(
  name: string,
  description: string,
  done: string,
  change: (administration: Administration, principal: Principal) => Promise<number>,
  remaining: (
    administration: Administration,
    realm: RealmName,
    principals: readonly Principal[],
  ) => Promise<string | undefined> = async () => undefined,
): (terminal: Terminal) => Command {
  return terminal =>
    withAdminConnection(new Command(name))
      .description(description)
      .addOption(waitOption())
      .argument('<name...>')
      .action((names: string[], options: ConnectionOptions & WaitOptions) =>
        withAdministration(terminal, options, async (administration, realm) => {
          const principals: Principal[] = []
          let seq = 0
          const changeEach = async (tell: Tell): Promise<void> => {
            for (const principal of names.map(each => principalIn(realm.realm, each))) {
              seq = await change(administration, principal)
              principals.push(principal)
              tell(principal, `${done} ${principal}`)
            }
          }
          await answerEach(terminal, options, done, changeEach, () =>
            tellRefusedBy(terminal, { administration, realm }, { seq, principals }, options),
          )
          const told = await remaining(administration, realm.realm, principals)
          if (told !== undefined) note(terminal, options, told)
        }),
      )
}

export const disableCommand = revokingCommand(
  'disable',
  'give a principal no tickets from now on; its TGTs get none either',
  'disabled',
  (administration, principal) => administration.disable(principal),
)

export const enableCommand = changeCommand(
  'enable',
  'give a principal tickets again; its old TGTs stay revoked',
  'enabled',
  (administration, principal) => administration.enable(principal),
)

export const removeCommand = revokingCommand(
  'remove',
  'take a principal out of the realm; one made later under its name is another',
  'removed',
  (administration, principal) => administration.remove(principal),
  namingRules,
)

/** Rules outlive who they are about, and count for one that is made later under the same name. */
async function namingRules(
  administration: Administration,
  realm: RealmName,
  principals: readonly Principal[],
): Promise<string | undefined> {
  const removed = new Set<string>(principals)
  const left: string[] = []
  for await (const rule of administration.policy()) {
    if (removed.has(rule.client) || removed.has(rule.service)) left.push(typedPair(realm, rule))
  }
  if (left.length === 0) return undefined
  const shown = left.slice(0, RULES_SHOWN).map(pair => `orthrus admin policy --forget ${pair}`)
  const more =
    left.length > RULES_SHOWN ? `; and ${left.length - RULES_SHOWN} more: orthrus admin policy` : ''
  const rules = left.length === 1 ? 'a rule still names' : `${left.length} rules still name`
  const whom = principals.length === 1 ? 'it, and counts' : 'them, and count'
  return `${rules} ${whom} for whoever gets the name next; to take it away, run: ${shown.join('; ')}${more}`
}

const RULES_SHOWN = 5

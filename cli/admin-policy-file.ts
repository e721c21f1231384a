import { Command } from 'commander'
import type { Administration } from '../client/channel/administration.js'
import type { Membership, PolicyChange, RuleReplaced } from '../shared/administration/policy-change.js'
import type { Policy, PolicyFile } from '../shared/administration/policy-file.js'
import { OrthrusError } from '../shared/errors.js'
import { shortPattern } from '../shared/pattern.js'
import type { RealmName } from '../shared/principal.js'
import { systemClock } from '../shared/time.js'
import { type ConnectionOptions, withAdminConnection, withAdministration } from './connection.js'
import { CommandFailed, EXIT } from './failure.js'
import { answer, note, type Terminal } from './terminal.js'

/** `orthrus admin policy export`, `diff` and `apply`: policy as a file. */

interface ApplyOptions extends ConnectionOptions {
  readonly dryRun?: boolean
  readonly prune?: boolean
}

export function exportCommand(terminal: Terminal): Command {
  return withAdminConnection(new Command('export'))
    .description('print all groups and rules, as a file that diff and apply take')
    .action((options: ConnectionOptions) =>
      withAdministration(terminal, options, async ({ wholePolicy }, { realm }) => {
        const { formatPolicyFile } = await import('../shared/administration/policy-file.js')
        const text = formatPolicyFile(realm, await wholePolicy.read())
        answer(terminal, options, { policy: text }, text.trimEnd())
      }),
    )
}

export function diffCommand(terminal: Terminal): Command {
  return withAdminConnection(new Command('diff'))
    .description('show what apply --prune would change; the exit code is 3 if there is anything')
    .argument('<file>', 'a policy file; - for standard input')
    .action((file: string, options: ConnectionOptions) =>
      withPolicy(terminal, file, options, async ({ realm, present, wanted }) => {
        const { policyChange } = await import('../shared/administration/policy-change.js')
        const change = policyChange(present, wanted, true)
        answer(terminal, options, change, (await linesOf(realm, change)).join('\n') || 'no difference')
        if (!isNothing(change)) throw new CommandFailed('', { exitCode: EXIT.DIFFERS })
      }),
    )
}

export function applyCommand(terminal: Terminal): Command {
  return withAdminConnection(new Command('apply'))
    .description('make the rules and groups of a file those of the realm, all at once or not at all')
    .argument('<file>', 'a policy file, whose expectations must hold; - for standard input')
    .option('--dry-run', 'only show what would change')
    .option('--prune', 'take away the rules and groups that the file does not have')
    .action((file: string, options: ApplyOptions) =>
      withPolicy(terminal, file, options, parts => apply(terminal, parts, options)),
    )
}

interface Parts {
  readonly administration: Administration
  readonly realm: RealmName
  readonly present: Policy
  readonly wanted: PolicyFile
}

async function withPolicy(
  terminal: Terminal,
  file: string,
  options: ConnectionOptions,
  use: (parts: Parts) => Promise<void>,
): Promise<void> {
  const { policyFileIn } = await import('./policy-files.js')
  const wanted = await policyFileIn(file)
  await withAdministration(terminal, options, async (administration, { realm }) => {
    if (wanted.realm !== realm) {
      throw new OrthrusError('realm_mismatch', `${file} is the policy of another realm`, {
        expected: realm,
        actual: wanted.realm,
      })
    }
    await use({ administration, realm, wanted, present: await administration.wholePolicy.read() })
  })
}

async function apply(terminal: Terminal, parts: Parts, options: ApplyOptions): Promise<void> {
  const { policyAfter, policyChange } = await import('../shared/administration/policy-change.js')
  const { administration, realm, present, wanted } = parts
  const prune = options.prune === true
  await requireMet(wanted)
  // What stays may grant what the file alone does not.
  await requireMet({ ...wanted, ...policyAfter(present, wanted, prune) })
  const change = policyChange(present, wanted, prune)
  const isDry = options.dryRun === true
  if (!isDry && !isNothing(change)) await administration.wholePolicy.apply(change)
  const lines = await linesOf(realm, change)
  const count = `${lines.length} ${lines.length === 1 ? 'change' : 'changes'}`
  const sum = isDry ? `${count} would be made` : `${count} made`
  const text = lines.length === 0 ? 'nothing to change' : [...lines, sum].join('\n')
  answer(terminal, options, { ...change, applied: !isDry }, text)
  const kept = left(policyChange(present, wanted, true), change)
  if (kept > 0)
    note(
      terminal,
      options,
      `${kept} of what the file does not have stay: --prune takes them away, diff shows them`,
    )
}

/** A policy whose own tests fail is not applied. */
async function requireMet(wanted: PolicyFile): Promise<void> {
  const { unmetIn } = await import('./policy-test.js')
  const [first, ...more] = unmetIn(wanted, wanted.expectations, systemClock.now())
  if (first === undefined) return
  const others = more.length === 0 ? '' : `, and ${more.length} more`
  throw new CommandFailed(
    `line ${first.expectation.line}: ${first.expectation.text}: but ${first.why}${others}; nothing was changed`,
  )
}

function isNothing({ rules, members }: PolicyChange): boolean {
  return rules.length === 0 && members.length === 0
}

/** How many changes more `--prune` would make. */
function left(whole: PolicyChange, made: PolicyChange): number {
  return whole.rules.length + whole.members.length - made.rules.length - made.members.length
}

/** As `diff` writes them: what goes with a minus, what comes with a plus. */
async function linesOf(realm: RealmName, { rules, members }: PolicyChange): Promise<string[]> {
  const { ruleLine } = await import('../shared/administration/policy-file.js')
  const ofRule = ({ before, after }: RuleReplaced) =>
    [before && `- ${ruleLine(realm, before)}`, after && `+ ${ruleLine(realm, after)}`]
      .filter(line => line !== null)
      .join('\n')
  const ofMember = ({ group, principal, joins }: Membership) =>
    `${joins ? '+' : '-'} group ${group.slice(1)} ${shortPattern(realm, principal)}`
  return [...members.map(ofMember), ...rules.map(ofRule)]
}

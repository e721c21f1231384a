import { Command } from 'commander'
import type { Administration } from '../client/channel/administration.js'
import type { Policy, PolicyFile } from '../shared/administration/policy-file.js'
import { OrthrusError } from '../shared/errors.js'
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
        const { diffLines } = await import('../shared/administration/policy-diff.js')
        const change = policyChange(present, wanted, true)
        const lines = diffLines(realm, change)
        answer(terminal, options, change, lines.join('\n') || 'no difference')
        if (lines.length > 0) throw new CommandFailed('', { exitCode: EXIT.DIFFERS })
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
  const { policyPlan, unmetText } = await import('../shared/administration/policy-diff.js')
  const { administration, present, wanted } = parts
  const plan = policyPlan(present, wanted, options.prune === true, systemClock.now())
  const { change, lines, kept } = plan
  const unmet = unmetText(plan.unmet)
  // A policy whose own tests fail is not applied.
  if (unmet !== undefined) throw new CommandFailed(unmet)
  const isDry = options.dryRun === true
  if (!isDry && lines.length > 0) await administration.wholePolicy.apply(change)
  const count = `${lines.length} ${lines.length === 1 ? 'change' : 'changes'}`
  const sum = isDry ? `${count} would be made` : `${count} made`
  const text = lines.length === 0 ? 'nothing to change' : [...lines, sum].join('\n')
  answer(terminal, options, { ...change, applied: !isDry }, text)
  if (kept > 0)
    note(
      terminal,
      options,
      `${kept} of what the file does not have stay: --prune takes them away, diff shows them`,
    )
}

import { Command } from 'commander'
import type { Expectation } from '../shared/administration/policy-expectation.js'
import { systemClock } from '../shared/time.js'
import { parseInstant } from './arguments.js'
import { CommandFailed } from './failure.js'
import { answer, type Terminal } from './terminal.js'

/** `orthrus policy`: what needs a policy file, and no KDC. */
export function policyFileCommand(terminal: Terminal): Command {
  return new Command('policy')
    .description('work on policy files, without a KDC')
    .addCommand(testCommand(terminal))
}

interface TestOptions {
  readonly at?: number
  readonly json?: boolean
}

function testCommand(terminal: Terminal): Command {
  return new Command('test')
    .description('hold what a policy file expects against its rules')
    .argument('<file>', 'the policy, as "orthrus admin policy export" writes it; - for standard input')
    .argument('[tests...]', 'files with more of what is expected')
    .option('--at <date>', 'the time of the test (else now), as 2027-01-31', parseInstant)
    .option('--json', 'answer in JSON')
    .action((file: string, tests: string[], options: TestOptions) => test(terminal, file, tests, options))
}

async function test(terminal: Terminal, file: string, tests: string[], options: TestOptions): Promise<void> {
  const { expectationsIn, policyFileIn } = await import('./policy-files.js')
  const { unmetIn } = await import('../shared/administration/policy-test.js')
  const policy = await policyFileIn(file)
  const now = options.at ?? systemClock.now()
  const sources: [string, readonly Expectation[]][] = [[file, policy.expectations]]
  for (const each of tests) sources.push([each, await expectationsIn(each, policy.realm)])
  const unmet = sources.flatMap(([source, expectations]) =>
    unmetIn(policy, expectations, now).map(({ expectation: { line, text }, why }) => ({
      file: source,
      line,
      text,
      why,
    })),
  )
  const expected = sources.reduce((sum, [, expectations]) => sum + expectations.length, 0)
  const told = unmet.map(each => `${each.file}:${each.line}: ${each.text}\n  but ${each.why}`)
  const sum = `${expected - unmet.length} of ${expected} expectations hold`
  answer(terminal, options, { expected, unmet }, [...told, sum].join('\n'))
  if (unmet.length > 0) throw new CommandFailed()
}

import { join } from 'node:path'
import { Command } from 'commander'
import type { Verification } from '../kdc/report/audit/verify.js'
import type { Finding } from '../kdc/report/audit/walk.js'
import { OrthrusError } from '../shared/errors.js'
import { defaulted } from './arguments.js'
import { filesIn } from './data-folder.js'
import { DEFAULT_DATA } from './defaults.js'
import { CommandFailed } from './failure.js'
import { isFolder } from './is-folder.js'
import { addMasterKeyOptions, type MasterKeyArguments, masterKeysFor } from './master-key.js'
import { answer, type Terminal } from './terminal.js'

interface VerifyOptions extends MasterKeyArguments {
  readonly auditDirectory?: string
  readonly mark?: string[]
  readonly json?: boolean
}

const NO_MARK =
  '--mark takes the whole text of "mark" in the log of the KDC: orthrus-audit-mark-1., and three parts with dots between'

/** `orthrus audit`: looks at the audit log itself, on the machine where it is. */
export function auditCommand(terminal: Terminal): Command {
  const verify = new Command('verify')
    .description('check that no line of the audit log was changed, moved or removed; the KDC may be running')
    .addOption(defaulted('--data <dir>', 'the folder that "orthrus init" made', DEFAULT_DATA))
    .option('--audit-directory <dir>', 'the folder of the log, if not audit in the data folder')
    .option(
      '--mark <text>',
      'a mark that was kept elsewhere, from the log of the KDC: lines up to it must be there; may be repeated',
      (text: string, before: readonly string[] = []) => [...before, text],
    )
    .option('--json', 'answer in JSON')
  addMasterKeyOptions(verify).action((options: VerifyOptions) => verifyLog(terminal, options))
  return new Command('audit')
    .description('look at the audit log of a realm, on the machine of its KDC')
    .addCommand(verify)
}

async function verifyLog(terminal: Terminal, options: VerifyOptions): Promise<void> {
  const { readAuditKey } = await import('../kdc/vault/audit-key.js')
  const { AuditKey } = await import('../kdc/report/audit/chain.js')
  const { AUDIT_FILES } = await import('../kdc/report/audit/files.js')
  const { isMarkText } = await import('../kdc/report/audit/mark.js')
  const { verifyAudit } = await import('../kdc/report/audit/verify.js')
  const { mark: marks = [] } = options
  if (!marks.every(isMarkText)) throw new TypeError(NO_MARK)
  const directory = options.auditDirectory ?? filesIn(options.data).audit
  if (!(await isFolder(directory))) throw noLog(directory)
  // While the master key is changed, the key of the log is under either of the two.
  const masters = await masterKeysFor(options, terminal.env)
  const key = new AuditKey(
    await readAuditKey(join(directory, AUDIT_FILES.KEY), masters).finally(() => masters.erase()),
  )
  const found = await verifyAudit(directory, key, marks)
  answer(terminal, options, { directory, ...found }, toldVerification(directory, found))
  if (found.findings.length > 0) throw new CommandFailed()
}

/** Whether there was one nobody can tell from here: it is no proof that nothing was removed. */
function noLog(directory: string): OrthrusError {
  return new OrthrusError('unavailable', `there is no audit log in ${directory}`, {
    final: true,
    hint: 'a KDC begins one when it first runs (orthrus kdc); if it has run, and with this folder (--audit-directory), somebody removed the log',
  })
}

function toldVerification(directory: string, { files, first, last, findings, notes }: Verification): string {
  const lines = [
    files === 0
      ? `the audit log in ${directory} has no lines`
      : `the audit log in ${directory}: ${files} ${files === 1 ? 'file' : 'files'}, lines ${first} to ${last}`,
    ...notes.map(note => `note: ${toldFinding(note)}`),
    ...findings.map(finding => `WRONG: ${toldFinding(finding)}`),
    findings.length === 0
      ? 'every line is as the KDC wrote it, and none is missing that a mark tells of'
      : 'somebody changed this log, or its disk failed: keep a copy of the folder, and see docs/operations.md',
  ]
  return lines.join('\n')
}

function toldFinding({ file, line, what }: Finding): string {
  const place = file === undefined ? '' : line === undefined ? `${file}: ` : `${file}, line ${line}: `
  return `${place}${what}`
}

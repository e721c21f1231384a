import { Command } from 'commander'
import { silentLogger } from '../shared/logger.js'
import { kdcOption } from './connection.js'
import { CommandFailed } from './failure.js'
import { keytabName } from './keytab-output.js'
import { answer, type Terminal, textOf } from './terminal.js'

interface JoinCommandOptions {
  readonly kdc?: readonly string[]
  readonly keytab?: string
  readonly instance?: string
  readonly allowPlainWebsocket?: boolean
  readonly json?: boolean
}

/** `orthrus join`: on a new host, the key that an administrator has invited it to. */
export function joinCommand(terminal: Terminal): Command {
  return new Command('join')
    .description('get the key of this host with a code from: orthrus admin invite')
    .argument('<code>', 'the code, or a file with it; - reads standard input')
    .addOption(kdcOption('in place of those that the code names'))
    .option('--keytab <file>', 'where to write the key (else NAME.keytab)')
    .option('--instance <name>', "which instance this host is to be, for a code for 'NAME/*'")
    .option(
      '--allow-plain-websocket',
      'use ws:// to another machine: whoever records it and has the code has the key',
    )
    .option('--json', 'answer in JSON')
    .action((code: string, options: JoinCommandOptions) => join(terminal, code, options))
}

async function join(terminal: Terminal, what: string, options: JoinCommandOptions): Promise<void> {
  const { looksLikeJoinCode } = await import('../shared/keytab/join-code.js')
  const code = await textOf(what)
  if (code === what && !looksLikeJoinCode(code)) {
    throw new TypeError(
      'there is no file of that name, nor is it a join code, which begins with orthrusjoin1_: orthrus join CODE, or a file with it',
    )
  }
  await requireNoKeytab(options.keytab)
  const { connect } = await import('../client/connect.js')
  const { joinHost } = await import('../client/join/join.js')
  const { realm, keytab } = await joinHost({
    code,
    kdc: options.kdc,
    instance: options.instance,
    allowJoinOverPlainWebSocket: options.allowPlainWebsocket,
    pathOf: principal => options.keytab ?? keytabName(principal),
    // The command's own error says everything.
    open: login => connect({ ...login, logger: silentLogger }),
  })
  const { client } = realm
  realm.close()
  answer(terminal, options, { principal: client, keytab }, `joined as ${client}, its key is in ${keytab}`)
}

/** The key of a join that was interrupted is good until the code is used to ask for another one. */
async function requireNoKeytab(path: string | undefined): Promise<void> {
  if (path === undefined) return
  const { isKeytabThere } = await import('#keytab-file')
  if (!(await isKeytabThere(path))) return
  throw new CommandFailed(
    `the keytab ${path} exists already: if a join was interrupted, it is finished by: orthrus keytab show ${path}; otherwise name another file`,
  )
}

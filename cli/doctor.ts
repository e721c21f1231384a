import { Command } from 'commander'
import { systemClock } from '../shared/time.js'
import { type ConnectionOptions, kdcUrls, withConnection } from './connection.js'
import { type Finding, failed, findingsText } from './doctor-finding.js'
import { CommandFailed } from './failure.js'
import { answer, type Terminal } from './terminal.js'

/** `orthrus doctor`: what may be wrong on the machine of a client or a service, and the next step for each. */
export function doctorCommand(terminal: Terminal): Command {
  return withConnection(new Command('doctor'))
    .description('look for what is wrong on the machine of a client or service; changes nothing')
    .summary('look for what is wrong on this machine')
    .addHelpText('after', HELP)
    .action(async (options: ConnectionOptions) => {
      const findings = await examine(terminal, options)
      const healthy = findings.every(({ state }) => state !== 'wrong')
      answer(terminal, options, { healthy, findings }, findingsText(findings))
      if (!healthy) throw new CommandFailed()
    })
}

const HELP = `
Run it as the user who runs the client or service, with its keytab: orthrus doctor --keytab orders.keytab
The exit code is 1 if something is wrong.`

async function examine(terminal: Terminal, options: ConnectionOptions): Promise<Finding[]> {
  const file = options.keytab ?? terminal.env.ORTHRUS_KEYTAB
  if (file === undefined || file === '')
    throw new TypeError('say whose keytab to look at: --keytab FILE, or ORTHRUS_KEYTAB=FILE')
  const { checkKeytab, nodeFinding, processFinding } = await import('./doctor-machine.js')
  const { findings, keytab } = await checkKeytab(file, options, systemClock.now())
  const found = [nodeFinding(process.versions.node), ...findings]
  if (keytab === undefined) return found
  const { checkKdcs } = await import('./doctor-kdc.js')
  const [own] = keytab.entries
  const login = { ...options, keytab: file, ...(own === undefined ? {} : { principal: own.principal }) }
  return [
    ...found,
    ...(await processFinding(keytab.entries)),
    ...(await checkNamed(terminal, login, urls => checkKdcs(terminal, login, { urls, file, ...keytab }))),
  ]
}

async function checkNamed(
  terminal: Terminal,
  login: ConnectionOptions,
  check: (urls: readonly string[]) => Promise<Finding[]>,
): Promise<Finding[]> {
  let urls: readonly string[]
  try {
    urls = await kdcUrls(terminal, login)
  } catch (cause) {
    return [failed('kdc', cause, 'name a KDC: --kdc URL')]
  }
  return await check(urls)
}

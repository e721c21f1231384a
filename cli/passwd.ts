import { Command } from 'commander'
import { silentLogger } from '../shared/logger.js'
import { type Principal, parsePrincipal } from '../shared/principal.js'
import { type ConnectionOptions, kdcOption, kdcUrls } from './connection.js'
import { askPasswordChange, passwordKey } from './password.js'
import { answer, type Terminal } from './terminal.js'

type PasswdOptions = Pick<ConnectionOptions, 'kdc' | 'json'>

/** `orthrus passwd`: a person changes their own password (docs/protocol.md section 12). */
export function passwdCommand(terminal: Terminal): Command {
  return new Command('passwd')
    .description('change your password; all your sessions end')
    .argument('<name>', 'whose password, as ann@demo.example')
    .addOption(kdcOption('ORTHRUS_KDC; else ws://127.0.0.1:8750'))
    .option('--json', 'answer in JSON')
    .action((name: string, options: PasswdOptions) => passwd(terminal, parsePrincipal(name), options))
}

async function passwd(terminal: Terminal, principal: Principal, options: PasswdOptions): Promise<void> {
  const kdc = await kdcUrls(terminal, { ...options, password: true })
  const { old, next } = await askPasswordChange(terminal, principal)
  const { connect } = await import('../client/connect.js')
  const { openKdcChannel } = await import('../client/channel/kdc-channel.js')
  const { changePassword } = await import('../client/channel/own-keys.js')
  const realm = await connect({ kdc, principal, password: old, logger: silentLogger })
  try {
    // The login must be fresh, and deriving a key takes a while: so the key is derived first.
    const key = await passwordKey(next, principal)
    const kvno = await changePassword(await openKdcChannel(realm), key)
    answer(terminal, options, { principal, kvno }, `changed the password of ${principal}`)
  } finally {
    realm.close()
  }
}

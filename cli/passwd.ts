import { Command } from 'commander'
import { silentLogger } from '../shared/logger.js'
import { type Principal, parsePrincipal } from '../shared/principal.js'
import { type ConnectionOptions, kdcNamed, kdcOption, kdcUrls } from './connection.js'
import { loginsHere, requireLogins, whichLogin } from './logins.js'
import { askPasswordChange, passwordKey } from './password.js'
import { whileWorking } from './progress.js'
import { errorObject } from './report.js'
import { answer, type Terminal, warn } from './terminal.js'

type PasswdOptions = Pick<ConnectionOptions, 'kdc' | 'json'>

/** `orthrus passwd`: a person changes their own password (docs/protocol.md section 12). */
export function passwdCommand(terminal: Terminal): Command {
  return new Command('passwd')
    .description('change your password; all your sessions end, here and elsewhere')
    .argument('[name]', 'whose password, as ann@demo.example; by default that of your login')
    .addOption(kdcOption('ORTHRUS_KDC; else that of your login, or ws://127.0.0.1:8750'))
    .option('--json', 'answer in JSON')
    .action((name: string | undefined, options: PasswdOptions) => passwd(terminal, name, options))
}

async function passwd(terminal: Terminal, name: string | undefined, options: PasswdOptions): Promise<void> {
  const principal = name?.includes('@') === true ? parsePrincipal(name) : await loginOf(terminal, name)
  const logins = await loginsHere(terminal)
  const login = await logins?.read(principal).catch(() => undefined)
  const kdc =
    login !== undefined && !kdcNamed(terminal, options)
      ? login.kdc
      : await kdcUrls(terminal, { ...options, password: true })
  const passwords = await askPasswordChange(terminal, principal)
  const kvno = await whileWorking(terminal, 'changing the password', () =>
    changeAt({ kdc, principal, ...passwords }),
  )
  // Its tickets are of no use any more, and it remembers how the old password became a key.
  await logins?.erase(principal).catch((cause: unknown) => {
    warn(terminal, options, `the login here could not be erased: ${errorObject(cause).message}`)
  })
  const text = `changed the password of ${principal}; all sessions have ended, here and elsewhere: orthrus login ${principal}`
  answer(terminal, options, { principal, kvno }, text)
}

/** @throws TypeError or OrthrusError `login_invalid` if it is not clear who is meant */
async function loginOf(terminal: Terminal, name: string | undefined): Promise<Principal> {
  return whichLogin(await requireLogins(terminal), { name }, 'orthrus passwd')
}

interface Change {
  readonly kdc: string | readonly string[]
  readonly principal: Principal
  readonly old: string
  readonly next: string
}

/** @returns the kvno of the new key. @throws OrthrusError with the KDC's code */
async function changeAt({ kdc, principal, old, next }: Change): Promise<number> {
  const { connect } = await import('../client/connect.js')
  const { openKdcChannel } = await import('../client/channel/kdc-channel.js')
  const { changePassword } = await import('../client/channel/own-keys.js')
  const realm = await connect({ kdc, principal, password: old, logger: silentLogger })
  try {
    // The login must be fresh, and deriving a key takes a while: so the key is derived first.
    const key = await passwordKey(next, principal)
    return await changePassword(await openKdcChannel(realm), key)
  } finally {
    realm.close()
  }
}

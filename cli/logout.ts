import { Command } from 'commander'
import type { LoginFolder } from '../client/kept-login/login-files.node.js'
import { requireLogins, whichLogin } from './logins.js'
import { answerEach, type Terminal } from './terminal.js'

interface LogoutOptions {
  readonly realm?: string
  readonly all?: boolean
  readonly json?: boolean
}

/** `orthrus logout`: erases what `orthrus login` and the commands after it kept. */
export function logoutCommand(terminal: Terminal): Command {
  return new Command('logout')
    .description('erase your tickets from this machine; what was copied of them stays good until it ends')
    .argument('[name]', 'whose login, where there are several')
    .option('--realm <realm>', 'the login in this realm')
    .option('--all', 'every login of yours on this machine')
    .option('--json', 'answer in JSON')
    .action((name: string | undefined, options: LogoutOptions) => logOut(terminal, name, options))
}

async function logOut(terminal: Terminal, name: string | undefined, options: LogoutOptions): Promise<void> {
  const logins = await requireLogins(terminal)
  const meant = await loggedOut(logins, name, options)
  await answerEach(terminal, options, 'logins', async tell => {
    for (const client of meant) {
      await logins.erase(client)
      tell(
        { client },
        `erased the login of ${client} from this machine; to end it wherever it was copied: orthrus passwd ${client}, or orthrus admin revoke client ${client}`,
      )
    }
  })
}

/** @throws OrthrusError `login_invalid`. @throws TypeError for words that do not go together */
async function loggedOut(logins: LoginFolder, name: string | undefined, { realm, all }: LogoutOptions) {
  if (all === true && (name !== undefined || realm !== undefined))
    throw new TypeError('--all is every login: leave out the name and --realm')
  return all === true ? logins.list() : [await whichLogin(logins, { name, realm }, 'orthrus logout')]
}

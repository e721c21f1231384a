import { OrthrusError } from '../../shared/errors.js'
import {
  localPart,
  type Principal,
  parsePrincipal,
  parseRealm,
  principalIn,
  realmOf,
} from '../../shared/principal.js'

/** Which of the logins on this machine is meant. */
export interface LoginChoice {
  /** `ann@demo.example`, or `ann` where only one realm has a login of that name. */
  readonly name?: string | undefined
  readonly realm?: string | undefined
}

/** Those that the choice leaves. @throws TypeError for what is no name and no realm */
export function loginsMeant(logins: readonly Principal[], { name, realm }: LoginChoice): Principal[] {
  const within = realm === undefined ? undefined : parseRealm(realm)
  const known = within === undefined ? logins : logins.filter(login => realmOf(login) === within)
  if (name === undefined) return [...known]
  if (name.includes('@')) return known.filter(login => login === parsePrincipal(name))
  // Whatever the realm is, the name must be one.
  principalIn(within ?? parseRealm('realm'), name)
  return known.filter(login => localPart(login) === name)
}

/**
 * The one that is meant.
 * @param again what to do if there is none, where that is no command
 * @throws OrthrusError `login_invalid` if there is none, or there are several
 * @throws TypeError for what is no name and no realm
 */
export function loginMeant(
  logins: readonly Principal[],
  choice: LoginChoice,
  again?: () => string,
): Principal {
  const [first, ...more] = loginsMeant(logins, choice)
  if (first === undefined) throw none(choice, again)
  if (more.length === 0) return first
  throw new OrthrusError('login_invalid', `there are logins of ${[first, ...more].join(', ')}`, {
    final: true,
    hint: 'say which one is meant: --login NAME@REALM, or login: "NAME@REALM"',
  })
}

function none({ name, realm }: LoginChoice, again?: () => string): OrthrusError {
  const whose = name === undefined ? '' : ` of ${name}`
  const where = realm === undefined ? '' : ` in ${realm}`
  const typed =
    name === undefined
      ? `NAME@${realm ?? 'REALM'}`
      : name.includes('@')
        ? name
        : `${name}@${realm ?? 'REALM'}`
  return new OrthrusError(
    'login_invalid',
    `there is no login${whose}${where} ${again === undefined ? 'on this machine' : 'in this browser'}`,
    {
      final: true,
      hint: again?.() ?? `run: orthrus login ${typed}`,
    },
  )
}

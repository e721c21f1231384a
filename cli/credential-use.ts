import { OrthrusError } from '../shared/errors.js'
import { type Principal, principalIn, realmOf, ticketGrantingService } from '../shared/principal.js'
import { decodeCaveat } from '../shared/ticket/caveats.js'
import { type Credential, parseCredential } from '../shared/ticket/credential.js'
import { formatDuration } from '../shared/time.js'
import { textOf } from './terminal.js'

/** Says before anything is sent what a credential can be used for, with the option that helps. */

/**
 * The text of the credential. Everyone on the machine can read a command line, so there only a credential is accepted
 * that nobody but its holder can use.
 */
export async function credentialFrom(argument: string): Promise<string> {
  const text = (await textOf(argument)).trim()
  if (text !== argument.trim()) return text
  if (!text.startsWith('orthrus1_'))
    throw new TypeError(`there is no file ${JSON.stringify(argument.slice(0, 80))}, and it is no credential`)
  if (holderOf(parseCredential(text)) !== undefined) return text
  throw new TypeError(
    'anyone who sees this credential can use it: pass it in a file, or as - on standard input',
  )
}

/** @throws OrthrusError `credential_invalid` if one of its caveats can never hold */
export function holderOf({ caveats }: Credential): Principal | undefined {
  try {
    for (const caveat of caveats.map(bytes => decodeCaveat(bytes)))
      if (caveat.name === 'holder') return caveat.holder
    return undefined
  } catch (cause) {
    if (!(cause instanceof OrthrusError)) throw cause
    throw useless(`the credential is of no use: ${cause.reason}`, 'ask its maker for another one')
  }
}

/** What a credential is used together with. */
export interface CredentialUse {
  readonly service?: string
  readonly allowBearerCredential?: boolean
  /** Whether the user has a key as well. */
  readonly withLogin: boolean
}

/**
 * The service that `--service` names, if the credential can be used for it. Whoever made the credential chose the
 * service in it, which could be their own, so it must be named by whoever uses it.
 * @throws OrthrusError `credential_invalid` if it cannot be used with these options
 * @throws TypeError if no service is named
 */
export function serviceOf(credential: Credential, options: CredentialUse): Principal {
  const { client } = credential
  const { withLogin } = options
  const holder = holderOf(credential)
  if (holder === undefined && options.allowBearerCredential !== true) {
    throw useless(
      'the credential names no delegate',
      "ask for one made with --to NAME; --allow-bearer-credential takes it as it is, and then its giver can answer in the service's place",
    )
  }
  if (holder !== undefined && !withLogin) {
    throw useless(
      `the credential was made for ${holder}, which presents it beside a ticket of its own`,
      `give its keytab: --keytab FILE; a person runs: orthrus login NAME@REALM`,
    )
  }
  const isTgt = credential.service === ticketGrantingService(realmOf(client))
  if (isTgt && withLogin) {
    throw useless(
      'the credential is of a TGT, which gets tickets, and is used in place of a keytab',
      'leave out --keytab, --password, --login and ORTHRUS_KEYTAB',
    )
  }
  if (options.service === undefined) {
    const why = isTgt
      ? 'the credential gets tickets for several'
      : 'whoever made the credential chose the service in it, and could answer there themselves'
    throw new TypeError(`say which service must answer: --service NAME; ${why}`)
  }
  const service = principalIn(realmOf(client), options.service)
  if (isTgt || service === credential.service) return service
  throw useless(
    `the credential is for ${credential.service}, not for ${service}`,
    `nothing was sent; ask ${client} for one for ${service}`,
  )
}

function useless(reason: string, hint: string): OrthrusError {
  return new OrthrusError('credential_invalid', reason, { final: true, hint })
}

/** Which code a credential that has ended is refused with depends on what ended first. */
export function explained({ endTime, client, service }: Credential, cause: unknown): unknown {
  const ago = Date.now() - endTime
  if (!(cause instanceof OrthrusError) || ago < 0 || !ENDED.has(cause.code)) return cause
  return new OrthrusError(
    'credential_invalid',
    `the credential ended ${formatDuration(ago)} ago, by this machine's clock`,
    { final: cause.final, service, hint: `ask ${client} for another one`, cause },
  )
}

const ENDED: ReadonlySet<string> = new Set([
  'caveat_failed',
  'ticket_expired',
  'ticket_invalid',
  'credential_invalid',
  'refused_unproved',
])

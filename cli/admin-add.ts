import { Command } from 'commander'
import type { Administration } from '../client/channel/administration.js'
import type { PrincipalLimits } from '../shared/administration/principals.js'
import { OrthrusError } from '../shared/errors.js'
import { type Principal, principalIn } from '../shared/principal.js'
import { parseDuration, parseInstant } from './arguments.js'
import {
  type ConnectionOptions,
  kdcsForOthers,
  withAdminConnection,
  withAdministration,
} from './connection.js'
import { type KeytabPlace, keytabName, reserveKeytab } from './keytab-output.js'
import { askNewPasswords, shownPasswordKey } from './password.js'
import { answerEach, type Tell, type Terminal } from './terminal.js'

interface AddOptions extends ConnectionOptions {
  readonly password?: boolean
  readonly out?: string
  readonly expires?: number
  readonly maxLife?: number
  readonly maxRenew?: number
}

export function addCommand(terminal: Terminal): Command {
  return withAdminConnection(new Command('add'))
    .description('register principals; each key is written to NAME.keytab')
    .argument('<name...>', 'names, short or whole')
    .option('--out <file>', 'where to write the keytab of a single name')
    .option('--password', 'derive the key from a password that is asked for, for a person; no keytab')
    .option('--expires <date>', 'no tickets from then on, as 2027-01-31', parseInstant)
    .option('--max-life <time>', 'no ticket of it or for it lives longer, as 1h', parseDuration)
    .option('--max-renew <time>', 'its TGTs are renewed no longer, as 7d', parseDuration)
    .action((names: string[], options: AddOptions) => add(terminal, names, options))
}

async function add(terminal: Terminal, names: string[], options: AddOptions): Promise<void> {
  if (options.out !== undefined && names.length !== 1) throw new TypeError('--out goes with a single name')
  if (options.out === '-')
    throw new TypeError('a key is not printed: name a file with --out (./- for one of this name)')
  await withAdministration(terminal, options, async (administration, realm, kdc) => {
    const principals = names.map(name => principalIn(realm.realm, name))
    await answerEach(terminal, options, 'added', async tell => {
      if (options.password === true) {
        await addPersons(terminal, administration, principals, options, tell)
      } else {
        await addServices(terminal, { administration, kdcs: kdcsForOthers(kdc) }, principals, options, tell)
      }
    })
  })
}

/**
 * Reserves the files of all keytabs first, because a principal whose key could not be written down would be useless.
 */
async function addServices(
  terminal: Terminal,
  { administration, kdcs }: { readonly administration: Administration; readonly kdcs: readonly string[] },
  principals: readonly Principal[],
  options: AddOptions,
  tell: Tell,
): Promise<void> {
  const places = new Map<string, { readonly principal: Principal; readonly place: KeytabPlace }>()
  try {
    for (const principal of principals) {
      const file = options.out ?? keytabName(principal)
      if (places.has(file))
        throw new TypeError(`two of the names have the keytab ${file}: add them one by one, with --out`)
      places.set(file, { principal, place: await reserveKeytab(file, kdcs) })
    }
    for (const [file, { principal, place }] of places) {
      await addService(terminal, administration, principal, { file, place }, options, tell)
    }
  } finally {
    for (const { place } of places.values()) await place.abandon()
  }
}

function limitsOf(options: AddOptions): PrincipalLimits {
  return {
    expiresAt: options.expires ?? null,
    maxLife: options.maxLife ?? null,
    maxRenew: options.maxRenew ?? null,
  }
}

async function addService(
  terminal: Terminal,
  administration: Administration,
  principal: Principal,
  { file, place }: { readonly file: string; readonly place: KeytabPlace },
  options: AddOptions,
  tell: Tell,
): Promise<void> {
  const { kvno, key } = await administration.add({ principal, password: null, ...limitsOf(options) })
  if (key === null) throw new OrthrusError('malformed', 'the KDC returned no key', { principal })
  try {
    await place.write([{ principal, kvno, key }])
  } catch (cause) {
    terminal.err(
      `${principal} is registered, but its key is lost: run orthrus admin remove ${principal}, then add it again\n`,
    )
    throw cause
  }
  const text = `added ${principal}, its key (kvno ${kvno}) is in ${file}`
  tell({ principal, kvno, keytab: file }, text)
}

/** Asks for all passwords first, so that nobody is registered where one is missing or too short. */
async function addPersons(
  terminal: Terminal,
  administration: Administration,
  principals: readonly Principal[],
  options: AddOptions,
  tell: Tell,
): Promise<void> {
  if (new Set(principals).size < principals.length)
    throw new TypeError('a name is there twice: name each once')
  const passwords = await askNewPasswords(terminal, principals)
  for (const [principal, password] of passwords)
    await addPerson(administration, principal, password, options, tell, terminal)
}

async function addPerson(
  administration: Administration,
  principal: Principal,
  password: string,
  options: AddOptions,
  tell: Tell,
  terminal: Terminal,
): Promise<void> {
  const { kvno } = await administration.add({
    principal,
    password: await shownPasswordKey(terminal, password, principal),
    ...limitsOf(options),
  })
  tell({ principal, kvno }, `added ${principal}, who logs in with the password`)
}

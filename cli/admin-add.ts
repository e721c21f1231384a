import { existsSync } from 'node:fs'
import { Command } from 'commander'
import type { Administration } from '../client/administration.js'
import { derivePasswordKey } from '../shared/crypto/derive.js'
import { systemRandom } from '../shared/crypto/random.js'
import { OrthrusError } from '../shared/errors.js'
import { type Principal, principalIn } from '../shared/principal.js'
import type { NewPrincipal } from '../shared/protocol/admin.js'
import { SCRYPT, SIZE } from '../shared/protocol/constants.js'
import { parseDuration, parseInstant } from './arguments.js'
import { type ConnectionOptions, withAdministration, withConnection } from './connection.js'
import { keytabName, writeKeytab } from './keytab-output.js'
import { askNewPassword } from './password.js'
import { answer, type Terminal } from './terminal.js'

interface AddOptions extends ConnectionOptions {
  readonly password?: boolean
  readonly out?: string
  readonly expires?: number
  readonly maxLife?: number
  readonly maxRenew?: number
}

export function addCommand(terminal: Terminal): Command {
  return withConnection(new Command('add'))
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
  await withAdministration(terminal, options, async (administration, realm) => {
    const principals = names.map(name => principalIn(realm.realm, name))
    const files = principals.map(principal => options.out ?? keytabName(principal))
    if (options.password !== true) requireFree(files)
    for (const [i, principal] of principals.entries()) {
      const file = files[i] as string
      if (options.password === true) await addPerson(terminal, administration, principal, options)
      else await addService(terminal, administration, principal, file, options)
    }
  })
}

/** Before anything is registered: a principal whose keytab could not be written would be of no use. */
function requireFree(files: readonly string[]): void {
  const taken = files.find(file => existsSync(file))
  if (taken === undefined) return
  throw new OrthrusError('keytab_invalid', `the keytab ${taken} exists already`, {
    final: true,
    hint: 'move it away, or name another with --out',
  })
}

function limitsOf(options: AddOptions): Omit<NewPrincipal, 'principal' | 'password'> {
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
  file: string,
  options: AddOptions,
): Promise<void> {
  const { kvno, key } = await administration.add({ principal, password: null, ...limitsOf(options) })
  if (key === null) throw new OrthrusError('malformed', 'the KDC returned no key', { principal })
  await writeKeytab(file, [{ principal, kvno, key }])
  answer(
    terminal,
    options,
    { principal, kvno, keytab: file },
    `added ${principal}, its key (kvno ${kvno}) is in ${file}`,
  )
}

async function addPerson(
  terminal: Terminal,
  administration: Administration,
  principal: Principal,
  options: AddOptions,
): Promise<void> {
  const password = await askNewPassword(terminal, principal)
  const salt = systemRandom(SIZE.SALT)
  const parameters = { log2N: SCRYPT.LOG2N, r: SCRYPT.R, p: SCRYPT.P, salt }
  const key = await derivePasswordKey(password, principal, salt, parameters)
  const { kvno } = await administration.add({
    principal,
    password: { parameters, key },
    ...limitsOf(options),
  })
  answer(terminal, options, { principal, kvno }, `added ${principal}, who logs in with the password`)
}

import { Command } from 'commander'
import { OrthrusError } from '../shared/errors.js'
import { localPart, type Principal, principalIn } from '../shared/principal.js'
import {
  ADMIN_KEYTAB,
  type ConnectionOptions,
  kdcOption,
  kdcsForOthers,
  withAdminConnection,
  withAdministration,
  withChannel,
} from './connection.js'
import { type KeytabPlace, reserveKeytab } from './keytab-output.js'
import { askNewPassword, shownPasswordKey } from './password.js'
import { type AdminLink, tellRefusedBy, type WaitOptions, waitOption } from './refused-by.js'
import { answer, type Terminal, warn } from './terminal.js'

type RotateOptions = ConnectionOptions & WaitOptions & { readonly adminKeytab?: string }

/**
 * `orthrus admin rotate`: routine without `--keytab`, and after a theft with it. There `--keytab` is the file of the new
 * key, so the administrator's own has another name.
 */
export function rotateCommand(terminal: Terminal): Command {
  return new Command('rotate')
    .description(
      'have a principal change its key within a day; krbtgt and kdc change at once, and keep the old one for tickets in use',
    )
    .argument('<name>')
    .option(
      '--keytab <file>',
      'after a theft: write a fresh key there; everything older of it is dead at once',
    )
    .option('--admin-keytab <file>', `the administrator's key (ORTHRUS_KEYTAB; else ${ADMIN_KEYTAB})`)
    .addOption(kdcOption())
    .option('--principal <name>', "which principal of the administrator's keytab, where it has several")
    .option('--allow-readable-keytab', "accept an administrator's keytab that others can read")
    .option('--json', 'answer in JSON')
    .addOption(waitOption())
    .action((name: string, { keytab, adminKeytab, ...options }: RotateOptions) => {
      const login = { ...options, ...(adminKeytab === undefined ? {} : { keytab: adminKeytab }) }
      return keytab === undefined ? rotate(terminal, name, login) : replace(terminal, name, keytab, login)
    })
}

async function rotate(terminal: Terminal, name: string, options: ConnectionOptions): Promise<void> {
  await withAdministration(terminal, options, async ({ keys }, { realm }) => {
    const principal = principalIn(realm, name)
    const kvno = await keys.rotate(principal)
    const text =
      kvno === null
        ? `asked ${principal} for a new key: it changes it within a day, if it was started with automatic rotation; else run on its host: orthrus keytab refresh FILE`
        : `rotated ${principal} to kvno ${kvno}; tickets under the key before stay good to their end`
    answer(terminal, options, { rotated: { principal, kvno } }, text)
  })
}

/** The file is reserved first, because a key that could not be written down would leave the principal without any. */
async function replace(
  terminal: Terminal,
  name: string,
  file: string,
  options: ConnectionOptions & WaitOptions,
): Promise<void> {
  await withAdministration(terminal, options, async (administration, realm, kdc) => {
    const principal = principalIn(realm.realm, name)
    const place = await reserveForKey(file, kdcsForOthers(kdc))
    try {
      await replaceInto(terminal, { administration, realm }, principal, { file, place }, options)
    } finally {
      await place.abandon()
    }
  })
}

async function reserveForKey(file: string, kdcs: readonly string[]): Promise<KeytabPlace> {
  if (file === '-') throw new TypeError('a key is not printed: name a file with --keytab')
  try {
    return await reserveKeytab(file, kdcs)
  } catch (cause) {
    if (!(cause instanceof OrthrusError)) throw cause
    throw new OrthrusError(cause.code, cause.reason, {
      cause,
      hint: `--keytab is where the new key goes, into a file that does not exist yet; the administrator's key goes into --admin-keytab`,
    })
  }
}

async function replaceInto(
  terminal: Terminal,
  link: AdminLink,
  principal: Principal,
  { file, place }: { readonly file: string; readonly place: KeytabPlace },
  options: ConnectionOptions & WaitOptions,
): Promise<void> {
  const { kvno, key, seq } = await link.administration.keys.replace(principal)
  try {
    await place.write([{ principal, kvno, key }])
  } catch (cause) {
    const again = `orthrus admin rotate ${localPart(principal)} --keytab FILE`
    terminal.err(
      `${principal} has a new key, but it is lost: run ${again}, with a file that can be written\n`,
    )
    throw cause
  }
  const revocation = { seq, principals: [principal], renewed: principal }
  const refused = await tellRefusedBy(terminal, link, revocation, options)
  const done = `replaced the key of ${principal}: kvno ${kvno} is in ${file}, and everything older is dead`
  const text = refused === undefined ? done : `${done}; ${refused.text}`
  answer(terminal, options, { replaced: { principal, kvno, keytab: file, seq }, ...refused?.fields }, text)
  await tellIfUnusable(terminal, link, principal, options)
}

/** A new key alone does not bring back what was disabled, or has ended. What cannot be found out here is no failure. */
async function tellIfUnusable(
  terminal: Terminal,
  { realm }: AdminLink,
  principal: Principal,
  options: ConnectionOptions,
): Promise<void> {
  const summary = await withChannel(realm, administration => administration.show(principal)).catch(
    () => undefined,
  )
  const name = localPart(principal)
  if (summary?.disabled === true)
    warn(
      terminal,
      options,
      `${name} is disabled, and its new key with it, until: orthrus admin enable ${name}`,
    )
}

export function resetPasswordCommand(terminal: Terminal): Command {
  return withAdminConnection(new Command('reset-password'))
    .description('set a new password for a person, which is asked for; all their sessions end')
    .argument('<name>')
    .addOption(waitOption())
    .action((name: string, options: ConnectionOptions & WaitOptions) =>
      withAdministration(terminal, options, async (administration, realm) => {
        const principal = principalIn(realm.realm, name)
        const password = await askNewPassword(terminal, principal)
        const { kvno, seq } = await administration.keys.resetPassword({
          principal,
          password: await shownPasswordKey(terminal, password, principal),
        })
        const refused = await tellRefusedBy(
          terminal,
          { administration, realm },
          { seq, principals: [principal] },
          options,
        )
        const done = `set the password of ${principal}, whose sessions have ended`
        const text = refused === undefined ? done : `${done}; ${refused.text}`
        answer(terminal, options, { reset: { principal, kvno, seq }, ...refused?.fields }, text)
      }),
    )
}

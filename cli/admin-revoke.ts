import { Command, InvalidArgumentError } from 'commander'
import type { Revocation } from '../client/channel/refused-by.js'
import type { Revocations } from '../client/channel/revocations.js'
import { SIZE } from '../shared/constants.js'
import { isReserved, localPart, principalIn, type RealmName } from '../shared/principal.js'
import { type ConnectionOptions, withAdminConnection, withAdministration } from './connection.js'
import { tellRefusedBy, type WaitOptions, waitOption } from './refused-by.js'
import { answer, note, type Terminal } from './terminal.js'

/** `orthrus admin revoke`: ends tickets and keys before their time (docs/protocol.md section 10). */
export function revokeCommand(terminal: Terminal): Command {
  const revoke = new Command('revoke').description('end tickets or keys before their time, everywhere')
  for (const make of [revokeClientCommand, revokeTicketCommand, revokeKeyCommand]) {
    revoke.addCommand(make(terminal))
  }
  return revoke
}

type RevokeOptions = ConnectionOptions & WaitOptions

/** What one command revoked, for the answer. */
interface Revoked extends Revocation {
  /** As it was asked for: `client web`. */
  readonly what: string
  readonly fields: object
  /** What holds now, if no service takes what was revoked, so that there is nobody to ask. */
  readonly atOnce?: string
  /** What else the administrator should know. */
  readonly aside?: string
}

function revoking(name: string): Command {
  return withAdminConnection(new Command(name)).addOption(waitOption())
}

async function revoke(
  terminal: Terminal,
  options: RevokeOptions,
  act: (revocations: Revocations, realm: RealmName) => Promise<Revoked>,
): Promise<void> {
  await withAdministration(terminal, options, async (administration, realm) => {
    const revoked = await act(administration.revocations, realm.realm)
    const { what, fields, seq, atOnce, aside } = revoked
    const refused =
      atOnce === undefined
        ? await tellRefusedBy(terminal, { administration, realm }, revoked, options)
        : { text: atOnce, fields: {} }
    const text = refused === undefined ? `revoked ${what}` : `revoke ${what}: ${refused.text}`
    answer(terminal, options, { revoked: { ...fields, seq }, ...refused?.fields }, text)
    if (aside !== undefined) note(terminal, options, aside)
  })
}

function revokeClientCommand(terminal: Terminal): Command {
  return revoking('client')
    .description('end all tickets that a principal has; it may log in again at once')
    .argument('<name>')
    .action((name: string, options: RevokeOptions) =>
      revoke(terminal, options, async (revocations, realm) => {
        const principal = principalIn(realm, name)
        const seq = await revocations.client(principal)
        return {
          what: `client ${localPart(principal)}`,
          fields: { client: principal },
          seq,
          principals: [principal],
        }
      }),
    )
}

function revokeTicketCommand(terminal: Terminal): Command {
  return revoking('ticket')
    .description('end one ticket, by the id that the logs of the KDC and of services have')
    .argument('<id>', '32 hexadecimal digits', parseTicketId)
    .option('--client <name>', 'whose ticket it is, so that followers who may know names read it')
    .action((ticketId: Uint8Array, options: RevokeOptions & { readonly client?: string }) =>
      revoke(terminal, options, async (revocations, realm) => {
        const { client } = options
        const principal = client === undefined ? null : principalIn(realm, client)
        const seq = await revocations.ticket({ ticketId, principal })
        const id = Buffer.from(ticketId).toString('hex')
        const name = principal === null ? 'NAME' : localPart(principal)
        return {
          what: `ticket ${id}`,
          fields: { ticket: id, client: principal },
          seq,
          // The ticket may be the one that its client follows with.
          principals: principal === null ? [] : [principal],
          aside: `if it is a TGT, what was granted under it stays good; to end all: orthrus admin revoke client ${name}`,
        }
      }),
    )
}

function revokeKeyCommand(terminal: Terminal): Command {
  return revoking('key')
    .description(
      'end all keys of a principal, and all tickets of it or for it; krbtgt and kdc get a fresh key',
    )
    .argument('<name>')
    .action((name: string, options: RevokeOptions) =>
      revoke(terminal, options, async (revocations, realm) => {
        const principal = principalIn(realm, name)
        const { kvno, seq } = await revocations.key(principal)
        const short = localPart(principal)
        const done = { what: `key ${short}`, fields: { principal, kvno }, seq, principals: [principal] }
        if (isReserved(principal)) return { ...done, atOnce: OF_KDC[short === 'kdc' ? 'kdc' : 'krbtgt'] }
        const aside = `${short} has no key now; to give it one: orthrus admin rotate ${short} --keytab FILE, or orthrus admin invite ${short}; to a person: orthrus admin reset-password ${short}`
        return { ...done, aside }
      }),
    )
}

/** The KDC alone takes tickets under its own keys. */
const OF_KDC = {
  krbtgt: 'the KDC refuses every TGT of before; clients log in again by themselves',
  kdc: 'every channel to the KDC has ended, the one of this command too; services and clients open another by themselves',
} as const

function parseTicketId(text: string): Uint8Array {
  const id = Buffer.from(text, 'hex')
  if (/^[0-9a-fA-F]*$/.test(text) && text.length === 2 * SIZE.TICKET_ID) return new Uint8Array(id)
  throw new InvalidArgumentError(
    'Write the id of a ticket as 32 hexadecimal digits, as "orthrus inspect" shows it.',
  )
}

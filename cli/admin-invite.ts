import { Command, InvalidArgumentError } from 'commander'
import type { InvitationSummary } from '../shared/administration/invitations.js'
import { isOfThisMachine } from '../shared/keytab/kdc-line.js'
import { type Pattern, patternIn, shortPattern } from '../shared/pattern.js'
import { isInvitation, localPart, principalIn, type RealmName } from '../shared/principal.js'
import { formatTime } from '../shared/time.js'
import { defaulted, parseDuration } from './arguments.js'
import { type ConnectionOptions, kdcTimeOf, withAdminConnection, withAdministration } from './connection.js'
import { answer, note, type Terminal, table, warn } from './terminal.js'

/** The commands for invitations, which bring keys to new hosts (docs/protocol.md section 12). */

interface InviteOptions extends ConnectionOptions {
  readonly expires: number
  readonly uses?: number
  readonly principalsExpire?: number
  readonly joinKdc?: string[]
}

/** Standard output has the join code, which is a secret, and nothing else. */
export function inviteCommand(terminal: Terminal): Command {
  return withAdminConnection(new Command('invite'))
    .description('make a code with which a new host gets its key: orthrus join CODE')
    .argument('<name>', "the principal that the host becomes; with 'NAME/*' an instance for each host")
    .addOption(defaulted('--expires <time>', 'how long the code is good for', '10m', parseDuration))
    .option('--uses <number>', "how many hosts may join, with 'NAME/*'", parseUses)
    .option('--principals-expire <time>', 'how long such instances exist, as 2d', parseDuration)
    .option('--join-kdc <url...>', 'where the new host finds the KDC (else where this command does)')
    .action((name: string, options: InviteOptions) => invite(terminal, name, options))
}

function parseUses(text: string): number {
  if (!/^[1-9][0-9]{0,6}$/.test(text)) throw new InvalidArgumentError('Write a number of hosts, as 500.')
  return Number(text)
}

async function invite(terminal: Terminal, name: string, options: InviteOptions): Promise<void> {
  await withAdministration(terminal, options, async (administration, realm, named) => {
    const { urlsFrom } = await import('../client/connect-urls.js')
    const { formatJoinCode } = await import('../shared/keytab/join-code.js')
    const { expires, uses = 1, principalsExpire = null, joinKdc } = options
    const kdc = urlsFrom({ kdc: joinKdc ?? named, keytab: '' })
    const target = patternIn(realm.realm, name)
    const { invitation, endsAt } = await administration.invitations.make({
      target,
      uses,
      endsAt: (await kdcTimeOf(realm)) + expires,
      principalsLife: principalsExpire,
    })
    const code = formatJoinCode({ invitation, endsAt, kdc })
    answer(terminal, options, { code, invitation: invitation.principal, target, uses, endsAt, kdc }, code)
    const hosts = uses === 1 ? 'one host' : `${uses} hosts`
    const told = `${localPart(invitation.principal)} is for ${hosts} as ${name}, until ${formatTime(endsAt)}`
    note(terminal, options, `${told}; whoever has the code has the key`)
    if (kdc.some(isOfThisMachine)) {
      warn(terminal, options, 'the code names a KDC of this machine: for another host give --join-kdc URL')
    }
  })
}

export function invitationsCommand(terminal: Terminal): Command {
  return withAdminConnection(new Command('invitations'))
    .description('list invitations: whom they are for, how often and from where they were used')
    .action((options: ConnectionOptions) =>
      withAdministration(terminal, options, async (administration, realm) => {
        const invitations: InvitationSummary[] = []
        for await (const invitation of administration.invitations.list()) invitations.push(invitation)
        const now = await kdcTimeOf(realm)
        const rows = invitations.map(each => rowOf(realm.realm, each, now))
        answer(terminal, options, { invitations }, table(rows))
      }),
    )
}

function rowOf(realm: RealmName, summary: InvitationSummary, now: number): string[] {
  const { invitation, target, uses, used, lastUsedAt, lastUsedFrom } = summary
  const last = lastUsedAt === null ? '' : `last ${formatTime(lastUsedAt)} from ${lastUsedFrom}`
  const short = shortPattern(realm, target as Pattern)
  return [localPart(invitation), short, `used ${used} of ${uses}`, stateOf(summary, now), last]
}

function stateOf({ uses, used, withdrawn, endsAt }: InvitationSummary, now: number): string {
  if (used >= uses) return 'used up'
  if (withdrawn) return 'withdrawn'
  return `${endsAt <= now ? 'ended' : 'ends'} ${formatTime(endsAt)}`
}

/** There is no service to wait for: the tickets of an invitation are for the KDC alone, which refuses them at once. */
export function uninviteCommand(terminal: Terminal): Command {
  return withAdminConnection(new Command('uninvite'))
    .description('end an invitation before its time; hosts that have joined with it stay')
    .argument('<invitation>', 'its name, as "orthrus admin invitations" lists it')
    .action((name: string, options: ConnectionOptions) =>
      withAdministration(terminal, options, async (administration, realm) => {
        const invitation = principalIn(realm.realm, name)
        if (!isInvitation(invitation))
          throw new TypeError(
            'write the name of an invitation, invite-..., as "orthrus admin invitations" lists it',
          )
        const seq = await administration.invitations.withdraw(invitation)
        answer(
          terminal,
          options,
          { withdrawn: invitation, seq },
          `withdrew ${localPart(invitation)}: nobody can join with it any more`,
        )
      }),
    )
}

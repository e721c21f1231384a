import {
  decodeInstance,
  decodeNewInvitation,
  encodeEnrolled,
  encodeInvitationSummary,
  encodeMadeInvitation,
} from '../../shared/administration/invitations.js'
import { encodeRevoked } from '../../shared/administration/revocations.js'
import { enrol } from './enrol.js'
import { invitations, invite, targetOf, uninvite } from './invitations.js'
import { decodePage, decodePrincipal, method } from './method.js'

/** The methods for invitations (docs/protocol.md section 12). */

const inviteMethod = method({
  callers: 'owners',
  about: ({ target }) => ({ service: target, handsOutKey: true }),
  reads: false,
  decode: decodeNewInvitation,
  run: async (context, wanted) => encodeMadeInvitation(await invite(context, wanted)),
})

const invitationsMethod = method({
  callers: 'owners',
  about: 'rows',
  reads: true,
  decode: args => decodePage(args, decodePrincipal),
  run: async (context, { after, limit }) => {
    const rows = await invitations(context, after, limit)
    return [rows.map(encodeInvitationSummary)]
  },
})

const uninviteMethod = method({
  callers: 'owners',
  about: targetOf,
  reads: false,
  decode: decodePrincipal,
  run: async (context, name) => encodeRevoked(await uninvite(context, name)),
})

const enrolMethod = method({
  callers: 'invitation',
  reads: false,
  decode: decodeInstance,
  run: async (context, instance) => encodeEnrolled(await enrol(context, instance)),
})

export const INVITATION_METHODS = {
  invite: inviteMethod,
  invitations: invitationsMethod,
  uninvite: uninviteMethod,
  enrol: enrolMethod,
}

import { Command } from 'commander'
import { addCommand } from './admin-add.js'
import { allowCommand, denyCommand } from './admin-allow.js'
import { auditLogCommand, usesOfCommand, whoCommand } from './admin-audit.js'
import { groupCommand } from './admin-group.js'
import { invitationsCommand, inviteCommand, uninviteCommand } from './admin-invite.js'
import { policyCommand } from './admin-policy.js'
import { disableCommand, enableCommand, listCommand, removeCommand, showCommand } from './admin-principals.js'
import { realmCommand } from './admin-realm.js'
import { revokeCommand } from './admin-revoke.js'
import { resetPasswordCommand, rotateCommand } from './admin-rotate.js'
import { whyCommand } from './admin-why.js'
import type { Terminal } from './terminal.js'

/** `orthrus admin`: talks to the running KDC, as a client of `kdc@realm` over a channel. */
export function adminCommand(terminal: Terminal): Command {
  const admin = new Command('admin').description('administer the realm of a running KDC')
  for (const make of [
    addCommand,
    allowCommand,
    denyCommand,
    policyCommand,
    whyCommand,
    groupCommand,
    rotateCommand,
    resetPasswordCommand,
    realmCommand,
    listCommand,
    showCommand,
    disableCommand,
    enableCommand,
    removeCommand,
    revokeCommand,
    inviteCommand,
    invitationsCommand,
    uninviteCommand,
    auditLogCommand,
    whoCommand,
    usesOfCommand,
  ]) {
    admin.addCommand(make(terminal))
  }
  return admin
}

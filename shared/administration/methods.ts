/**
 * The administration of a realm: the methods of `kdc@realm` with their arguments and results, which `principals.ts`,
 * `rules.ts`, `groups.ts`, `revocations.ts` and `invitations.ts` encode and decode side by side. All need the claim `role` = `admin`
 * in the ticket (docs/protocol.md section 9).
 *
 * | method | arguments | results |
 * |---|---|---|
 * | `add` | `encodeNewPrincipal` | `encodeAddedPrincipal` |
 * | `show` | principal | `[summary]` |
 * | `enable` | principal | none |
 * | `disable` `remove` | principal | `encodeRevoked` |
 * | `revoke-client` | principal | `encodeRevoked` |
 * | `revoke-ticket` | `encodeTicketRevocation` | `encodeRevoked` |
 * | `revoke-key` | principal | `encodeKeyRevoked` |
 * | `followers` | `encodeFollowersQuestion` | `encodeFollowers` |
 * | `allow` `deny` | `encodeRuleChange` | none |
 * | `rule` | client, service | `[rule]`, or `[nil]` where there is none |
 * | `forget` | client, service | none |
 * | `list` | the last one seen, `[principal]` or nil; limit | `[[summary, ...]]` |
 * | `policy` | the last one seen, `[client, service]` or nil; limit | `[[rule, ...]]` |
 * | `apply-policy` | `encodePolicyChange` | none |
 * | `group-add` `group-remove` | `encodeGroupChange` | `encodeMoved` |
 * | `members` | a group or nil; the last one seen, a principal or nil; limit | `[[encodeGroupsOfPrincipal, ...]]` |
 * | `rotate` | principal | `encodeRotated` |
 * | `replace-key` | principal | `encodeReplacedKey` |
 * | `reset-password` | `encodePasswordReset` | `encodePasswordWasReset` |
 * | `due` | the last one seen, `[principal]` or nil; limit | `[[encodeDueKey, ...]]` |
 * | `realm` | none | `[encodeRealmSummary]` |
 * | `set-realm` | `[encodeRealmChanges]` | `[encodeRealmSummary]` |
 * | `invite` | `encodeNewInvitation` | `encodeMadeInvitation` |
 * | `invitations` | the last one seen, `[invitation]` or nil; limit | `[[summary, ...]]` |
 * | `uninvite` | invitation | `encodeRevoked` |
 * | `backup` | `encodeBackupQuestion` | `encodeBackupPiece` |
 * | `audit` | `encodeAuditQuestion` | `encodeAuditPage` |
 * | `uses` | `encodeUsesQuestion` | `encodeUsesPage` |
 * | `rotate-master-key` | `encodeRotationQuestion` | `encodeRotationStep` |
 */
export const ADMIN_METHODS = [
  'add',
  'show',
  'list',
  'disable',
  'enable',
  'revoke-client',
  'revoke-ticket',
  'revoke-key',
  'followers',
  'remove',
  'allow',
  'deny',
  'rule',
  'forget',
  'policy',
  'apply-policy',
  'group-add',
  'group-remove',
  'members',
  'rotate',
  'replace-key',
  'reset-password',
  'due',
  'realm',
  'set-realm',
  'invite',
  'invitations',
  'uninvite',
  'backup',
  'audit',
  'uses',
  'rotate-master-key',
] as const
export type AdminMethod = (typeof ADMIN_METHODS)[number]

/** Those of them that the owner of a service may call too, about that service alone (section 9). */
export const OWNER_METHODS = [
  'show',
  'allow',
  'deny',
  'rule',
  'forget',
  'policy',
  'rotate',
  'invite',
  'invitations',
  'uninvite',
  'audit',
  'uses',
] as const satisfies readonly AdminMethod[]

/**
 * What every principal may call about itself, with a ticket of its own that has no caveats and comes from a login of
 * the last 5 minutes (section 12).
 *
 * | method | arguments | results |
 * |---|---|---|
 * | `keys` | none | `encodeOwnKeys` |
 * | `next-key` | the kvno of the current key | `encodeStagedKey` |
 * | `new-password` | `encodePasswordKey` | `encodeKvno` |
 * | `longest-life` | none | the longest life of any ticket that the realm ever allowed, milliseconds |
 */
export const OWN_METHODS = ['keys', 'next-key', 'new-password', 'longest-life'] as const
export type OwnMethod = (typeof OWN_METHODS)[number]

/**
 * What administrators may call about everyone, and a principal about itself, which is told less.
 *
 * | method | arguments | results |
 * |---|---|---|
 * | `why` | `encodeWhyQuestion` | `encodeWhy` |
 * | `refusal` | `encodeRefusalQuestion` | `encodeRefusals` |
 */
export const CONCERNED_METHODS = ['why', 'refusal'] as const
export type ConcernedMethod = (typeof CONCERNED_METHODS)[number]

/** What a channel for administration carries. */
export type AdministrationMethod = AdminMethod | ConcernedMethod

/** Those that change nothing, and are answered the same by every KDC of a realm. */
const READS_OF_REALM: readonly AdministrationMethod[] = [
  'show',
  'list',
  'followers',
  'rule',
  'policy',
  'members',
  'due',
  'realm',
  'invitations',
  'why',
]
/** Those that change nothing, and are about one KDC: its logs, and the backup that it is making. */
const READS_OF_KDC: readonly AdministrationMethod[] = ['audit', 'uses', 'refusal', 'backup']

/** Whether a call of it does no harm if it is made twice. */
export function isRead(method: AdministrationMethod): boolean {
  return READS_OF_REALM.includes(method) || READS_OF_KDC.includes(method)
}

/** Whether it is a read that another KDC of the realm answers as well. */
export function isSameElsewhere(method: AdministrationMethod): boolean {
  return READS_OF_REALM.includes(method)
}

/**
 * What an invitation may call, and nothing else (section 12). It is called as `OWN_METHODS` are.
 *
 * | method | arguments | results |
 * |---|---|---|
 * | `enrol` | the instance of a fleet, or nil | `encodeEnrolled` |
 */
export const INVITATION_METHODS = ['enrol'] as const
export type InvitationMethod = (typeof INVITATION_METHODS)[number]

/** The most rows that `list` and `policy` return. The caller asks for the rest with `after`. */
export const PAGE_ROWS = 100

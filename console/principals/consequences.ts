import { writeDuration } from '../../shared/administration/policy-text.js'
import type { PrincipalSummary } from '../../shared/administration/principals.js'
import type { Followers } from '../../shared/administration/revocations.js'
import type { PolicyRule } from '../../shared/administration/rule.js'
import type { Pattern } from '../../shared/pattern.js'
import { isReserved, localPart, type Principal } from '../../shared/principal.js'
import { counted } from '../realm/words.js'

/**
 * What an act costs whom, in sentences with numbers, told before it is done. Pure functions of what the KDC says of the
 * principal, of the rules and of who follows.
 */

/** What is known before an act. */
export interface Standing {
  readonly summary: PrincipalSummary
  /** Whether it is the person who acts. */
  readonly isMe: boolean
  /** Rules whose client it is, and whose service. */
  readonly asClient: number
  readonly asService: number
  /** Rules that name it alone. */
  readonly byName: number
  readonly reach: Reach | undefined
}

/** Who learns of a revocation. */
export interface Reach {
  /** Processes of other services that follow the KDC now. */
  readonly following: number
  /** How long a ticket for a service lives at most, milliseconds. */
  readonly maxServiceLife: number
}

export function reachOf(followers: Followers, maxServiceLife: number, principal: Principal): Reach {
  const { rows, applied, silent } = followers
  const named = rows.filter(row => row.connected && row.principal !== principal)
  return { following: named.length + applied + silent - rows.length, maxServiceLife }
}

type Consequence = (standing: Standing) => readonly string[]

export const disabling: Consequence = standing => [
  `From its next request on ${name(standing)} gets no ticket${forIt(standing)}.`,
  ...refusing(standing, 'its tickets'),
  `${rulesStay(standing)} To let it log in again, enable it; its TGTs of before stay revoked.`,
  ...mine(standing),
]

export const enabling: Consequence = standing => [
  `${name(standing)} can log in again${standing.asService > 0 ? ', and clients get tickets for it' : ''}. Its TGTs of before stay revoked.`,
  `${counted(standing.asClient, 'rule')} say what it may reach, and ${counted(standing.asService, 'rule')} who may reach it.`,
]

export const removing: Consequence = standing => {
  const { groups } = standing.summary
  return [
    `${name(standing)} and all of its keys are gone. One that is made later under this name is another principal.`,
    ...refusing(standing, 'its tickets'),
    ...(groups.length === 0 ? [] : [`It leaves ${counted(groups.length, 'group')}: ${groups.join(' ')}.`]),
    rulesStay(standing),
    ...mine(standing),
  ]
}

export const revokingClient: Consequence = standing => [
  `All tickets that ${name(standing)} has end. It may log in again at once, and does so by itself if it has its key.`,
  ...refusing(standing, 'its tickets'),
  ...mine(standing),
]

export const revokingKey: Consequence = standing => {
  const { principal, passwordBased } = standing.summary
  if (isReserved(principal)) return [AT_KDC[localPart(principal) === 'kdc' ? 'kdc' : 'krbtgt']]
  const another = passwordBased ? 'reset its password' : 'replace its key, or invite it'
  return [
    `All keys of ${name(standing)} end, and with them every ticket of it and for it. It has no key then: to give it one, ${another}.`,
    ...refusing(standing, 'its tickets'),
    ...forgotten(standing),
    ...mine(standing),
  ]
}

const AT_KDC = {
  krbtgt:
    'A fresh key is current at once, and the KDC refuses every TGT of before. Clients log in again by themselves.',
  kdc: 'A fresh key is current at once. Every channel to the KDC ends, that of this page too; services and clients open another by themselves.',
} as const

export const asking: Consequence = standing => {
  const { principal } = standing.summary
  if (isReserved(principal))
    return [
      `${name(standing)} gets a fresh key at once. Tickets under the key before stay good to their end.`,
    ]
  return [
    `${name(standing)} is asked for a new key, and changes it within a day, if it was started with automatic rotation. Otherwise run on its host: orthrus keytab refresh FILE`,
    'Nobody has to wait: tickets under the key before stay good to their end.',
  ]
}

export const replacing: Consequence = standing => [
  `After a theft: ${name(standing)} gets a fresh key, which is its only one at once. Every older key is dead, and every ticket of it and for it.`,
  `Until the new keytab is on its host, ${name(standing)} is refused. The keytab is offered here once, and nowhere again: carry it over a way that nobody else reads.`,
  ...refusing(standing, 'its tickets'),
  ...forgotten(standing),
]

export const resettingPassword: Consequence = standing => [
  `The password of before is dead, and so is every ticket of ${name(standing)}: all its sessions end.`,
  ...refusing(standing, 'its tickets'),
  ...mine(standing),
]

/** @param joins whether it comes into the group, or leaves it. @param rules all of policy */
export function moving(group: Pattern, joins: boolean, rules: readonly PolicyRule[]): readonly string[] {
  const [asClient, asService] = [
    rules.filter(({ client }) => client === group).length,
    rules.filter(({ service }) => service === group).length,
  ]
  const named = `${counted(asClient, 'rule')} say what ${group} may reach, and ${counted(asService, 'rule')} who may reach it`
  return [
    `${named}; from its next ticket on ${joins ? 'they are about it too' : 'they are about it no more'}.`,
    ...(joins ? [] : ['Tickets in hand live to their end. To end them now, revoke them too.']),
  ]
}

function name({ summary }: Standing): string {
  return localPart(summary.principal)
}

function forIt({ asService }: Standing): string {
  return asService > 0 ? ', and nobody gets one for it' : ''
}

function rulesStay({ byName }: Standing): string {
  return byName === 0 ? 'No rule names it.' : `The ${counted(byName, 'rule')} that name it stay.`
}

/** Which services refuse by when. */
function refusing({ reach }: Standing, what: string): string[] {
  if (reach === undefined) return []
  const { following, maxServiceLife } = reach
  const life = writeDuration(maxServiceLife)
  if (following === 0)
    return [
      `No other service follows this KDC, so services accept ${what} in hand until these end, at most ${life} from now.`,
    ]
  return [
    `${counted(following, 'process of a service', 'processes of services')} that ${following === 1 ? 'follows' : 'follow'} this KDC will refuse ${what} within milliseconds, and end its open channels. One that does not follow accepts a ticket in hand to its end, at most ${life}.`,
  ]
}

/** What a thief keeps. */
function forgotten({ asService }: Standing): string[] {
  return asService === 0
    ? []
    : [
        'If it serves without following the KDC, it learns nothing of this: stop it, and start it with the new key.',
      ]
}

function mine({ isMe }: Standing): string[] {
  return isMe ? ['This is you: your session on this page ends too.'] : []
}

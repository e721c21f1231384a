import type { NewInvitation } from '../../shared/administration/invitations.js'
import { readDuration } from '../../shared/administration/policy-text.js'
import { isKdcUrl } from '../../shared/keytab/kdc-line.js'
import { isGroup, patternIn } from '../../shared/pattern.js'
import { isPrincipal, type RealmName } from '../../shared/principal.js'

/** What the form of an invitation holds. */
export interface InvitationForm {
  readonly name: string
  readonly expires: string
  readonly uses: string
  readonly principalsExpire: string
  readonly kdc: string
}

export interface WantedInvitation {
  readonly wanted: NewInvitation
  readonly kdc: readonly string[]
}

/** @param now KDC time, milliseconds. @throws TypeError that says what is wrong with the form */
export function wantedInvitation(form: InvitationForm, realm: RealmName, now: number): WantedInvitation {
  const target = patternIn(realm, form.name.trim())
  if (target === '*' || isGroup(target))
    throw new TypeError('a host becomes one principal, as web, or an instance of a name, as worker/*')
  const isFleet = !isPrincipal(target)
  if (!/^[1-9][0-9]{0,6}$/.test(form.uses.trim())) throw new TypeError('write the number of hosts, as 500')
  const life = form.principalsExpire.trim()
  const kdc = form.kdc.split(/[\s,]+/).filter(url => url !== '')
  const odd = kdc.find(url => !isKdcUrl(url))
  if (odd !== undefined || kdc.length === 0)
    throw new TypeError('write where the new host finds the KDC, as wss://kdc.example')
  return {
    kdc,
    wanted: {
      target,
      uses: isFleet ? Number(form.uses.trim()) : 1,
      endsAt: now + readDuration(form.expires.trim()),
      principalsLife: !isFleet || life === '' ? null : readDuration(life),
    },
  }
}

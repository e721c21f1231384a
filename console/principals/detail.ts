import type { PrincipalSummary } from '../../shared/administration/principals.js'
import type { PolicyRule } from '../../shared/administration/rule.js'
import type { WhyParty } from '../../shared/administration/why.js'
import { kdcService, type Principal } from '../../shared/principal.js'
import type { Session } from '../session/session.js'

/** What is shown of one principal. */
export interface Detail {
  readonly summary: PrincipalSummary
  /** Its keys with their ages, as the KDC has them; null where it does not tell. */
  readonly party: WhyParty | null
  /** All that the person may see. */
  readonly rules: readonly PolicyRule[]
}

/** An owner is told of its service, and an administrator of both sides. */
export async function readDetail(session: Session, principal: Principal): Promise<Detail> {
  const { administration, me, realm } = session
  const summary = await administration.show(principal)
  const rules: PolicyRule[] = []
  for await (const rule of administration.policy()) rules.push(rule)
  return { summary, rules, party: await partyOf(session, principal, me, kdcService(realm)) }
}

async function partyOf(
  { administration }: Session,
  principal: Principal,
  me: Principal,
  kdc: Principal,
): Promise<WhyParty | null> {
  const rest = { at: null, method: null, path: null }
  const asked = await administration.why({ client: me, service: principal, ...rest }).catch(() => undefined)
  if (asked?.scope !== 'client') return asked?.service ?? null
  return (
    (await administration.why({ client: principal, service: kdc, ...rest }).catch(() => undefined))?.client ??
    null
  )
}

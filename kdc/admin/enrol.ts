import type { Enrolled } from '../../shared/administration/invitations.js'
import { toHex } from '../../shared/bytes.js'
import { malformed, OrthrusError } from '../../shared/errors.js'
import type { Pattern } from '../../shared/pattern.js'
import type { Principal } from '../../shared/principal.js'
import { requireInviter } from '../issue/inviter.js'
import { policyName } from '../realm/directory.js'
import {
  type InvitationRecord,
  instanceOf,
  isFleet,
  isInvitationRecord,
  requireUsable,
} from '../realm/invitation.js'
import { stageInvited } from '../realm/invited-keys.js'
import { readStoredPrincipal } from '../realm/stored-principal.js'
import { RECORD_KIND } from '../store/store.js'
import { type AdminContext, changeRealm, readPrincipal, shortName } from './context.js'

/** Bytes of an instance that is drawn, which are written as twice as many hex digits. */
const INSTANCE_BYTES = 4
/** How often an instance is drawn that exists already. */
const DRAWS = 8

/**
 * Hands a fresh key for the invitation's target to its holder, who must log in with it to keep it: until then it can be
 * dropped by another call, and it seals nothing (docs/protocol.md section 12).
 * @param instance of a fleet; null for one drawn at random
 * @throws OrthrusError `malformed` for an instance that exists already, has rules for it alone, is outside the grammar, or
 * belongs to no fleet;
 * `revoked` if the invitation has ended
 */
export async function enrol(context: AdminContext, instance: string | null): Promise<Enrolled> {
  const { realm } = context
  return changeRealm(context, async now => {
    const found = await readPrincipal(context, ownName(context))
    const record = found?.record
    if (found === undefined || !isInvitationRecord(record)) {
      throw new OrthrusError('not_authorized', 'only an invitation may enrol')
    }
    requireUsable(record, now)
    const name = await targetOf(context, record, instance)
    await requireInviter(realm, record, name, now)
    const { changes, kvno, key } = await stageInvited(realm, { version: found.version, record }, name, now)
    return {
      changes,
      // It drops what was staged before, and the host may log in at another KDC.
      effect: 'takes',
      result: { principal: name, kvno, key },
      reported: { method: 'enrol', principal: name, kvno, invitation: record.name },
    }
  })
}

function ownName({ caller }: AdminContext): Principal {
  if (caller !== undefined) return caller.client
  throw new OrthrusError('not_authorized', 'only an invitation may enrol, over a channel')
}

async function targetOf(
  { realm }: AdminContext,
  { invitation: { target } }: InvitationRecord,
  instance: string | null,
): Promise<Principal> {
  if (isFleet(target))
    return instance === null ? freeInstance(realm, target) : unruled(realm, named(target, instance))
  if (instance === null) return target as string as Principal
  throw new OrthrusError('malformed', `the code is for ${target} alone, which has no instances`, {
    principal: target,
    hint: 'join without an instance',
  })
}

function named(target: Pattern, instance: string): Principal {
  try {
    return instanceOf(target, instance)
  } catch {
    throw malformed(
      `${JSON.stringify(instance.slice(0, 40))} is not an instance: write lower case, as 7 or host-a`,
    )
  }
}

/**
 * Whoever has the code chooses the instance, and would choose one for which rules grant more than for all: one that an
 * administrator has removed, or is about to add.
 */
async function unruled({ vault }: AdminContext['realm'], name: Principal): Promise<Principal> {
  const first = policyName(name, '')
  const [rule] = await vault.list(RECORD_KIND.POLICY, { after: first, limit: 1 })
  if (rule?.name.startsWith(first) !== true) return name
  throw new OrthrusError(
    'malformed',
    `there are rules for ${name}, which a code for many hosts does not bring`,
    {
      principal: name,
      hint: `join as another instance; an administrator may run: orthrus admin invite ${shortName(name)}`,
    },
  )
}

async function freeInstance({ vault, random }: AdminContext['realm'], target: Pattern): Promise<Principal> {
  for (let draws = DRAWS; draws > 0; draws--) {
    const name = instanceOf(target, toHex(random(INSTANCE_BYTES)))
    if ((await readStoredPrincipal(vault, name)) === undefined) return name
  }
  throw new OrthrusError('unavailable', `no free instance of ${target} was found`, { hint: 'try again' })
}

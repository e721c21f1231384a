import type {
  RealmChanges,
  RealmLifetimes,
  RealmSummary,
  RotationSchedule,
} from '../../shared/administration/realm.js'
import { malformed } from '../../shared/errors.js'
import { DAY, MINUTE } from '../../shared/time.js'
import { REALM_BOUNDS } from '../limits/defaults.js'
import { longestOf } from '../realm/create-realm.js'
import { readRealm, readVersionedRealm } from '../realm/realm.js'
import { RECORD_KIND } from '../store/store.js'
import { encodeRealmRecord, REALM_RECORD_NAME, type RealmRecord } from '../vault/records.js'
import { type AdminContext, changeRealm } from './context.js'
import { livesFor, requireSurvival } from './survival.js'

/** The realm's lifetimes, and the ages that keys may reach. */

/** @throws OrthrusError `unavailable` */
export async function settings({ realm: { vault } }: AdminContext): Promise<RealmSummary> {
  return summaryOf(await readRealm(vault))
}

/**
 * Changes settings of the realm while it runs. Tickets that were issued keep their ends. The longest life ever allowed
 * only grows: what was issued before may live as long.
 * @throws OrthrusError `malformed` for a setting out of bounds
 */
export async function changeSettings(context: AdminContext, changes: RealmChanges): Promise<RealmSummary> {
  requireBounds(changes)
  const { rotation, survive, ...lives } = changes
  const { vault } = context.realm
  const changed = await changeRealm(context, async () => {
    const { version, record: before } = await readVersionedRealm(vault)
    const surviving = survive === undefined ? {} : { survive, ...livesFor(survive, before) }
    const wanted = { ...before, ...surviving, ...lives, rotation: { ...before.rotation, ...rotation } }
    requireSurvival(wanted)
    const record = { ...wanted, longestLife: Math.max(before.longestLife, longestOf(wanted)) }
    const fields = encodeRealmRecord(record)
    const result = summaryOf(record)
    return {
      changes: [{ kind: RECORD_KIND.REALM, name: REALM_RECORD_NAME.REALM, expected: version, fields }],
      // A limit may be lower than before.
      effect: 'takes',
      result,
      reported: { method: 'set-realm', settings: result },
    }
  })
  // From the answer on, tickets are issued by the new settings.
  await context.realm.refresh()
  return changed
}

function summaryOf(record: RealmRecord): RealmSummary {
  const { realm, maxTgtLife, maxServiceLife, maxRenew, longestLife, rotation, survive, createdAt } = record
  return { realm, maxTgtLife, maxServiceLife, maxRenew, longestLife, rotation, survive, createdAt }
}

function requireBounds({ rotation = {}, survive = null, ...lives }: RealmChanges): void {
  const { LIFE_MIN, LIFE_MAX, KEY_AGE_MIN, CENTURY, SURVIVE_MAX } = REALM_BOUNDS
  if (survive !== null && survive < LIFE_MIN) throw malformed(`survive is at least ${LIFE_MIN / MINUTE} min`)
  if (survive !== null && survive > SURVIVE_MAX)
    throw malformed(`survive is at most ${SURVIVE_MAX / DAY} days`)
  for (const [name, life] of Object.entries(lives) as [keyof RealmLifetimes, number][]) {
    // Administrators need tickets too.
    if (life < LIFE_MIN) throw malformed(`${name} is at least ${LIFE_MIN / MINUTE} min`)
    if (life > LIFE_MAX) throw malformed(`${name} is at most ${LIFE_MAX / DAY} days`)
  }
  for (const [name, age] of Object.entries(rotation) as [keyof RotationSchedule, number | null][]) {
    if (age !== null && age < KEY_AGE_MIN)
      throw malformed(`keys of ${name} are due when they are a day old at the earliest`)
    if (age !== null && age > CENTURY) throw malformed(`keys of ${name} get a century old at most`)
  }
}

import type { Chance } from '../support/chance.js'
import type { Act } from './acts/act.js'
import { oneCodeTwoHosts, twoAtOnce } from './acts/at-once.js'
import { goneBack } from './acts/gone-back.js'
import { holderChangesKey, replaceDuring, rotateAndShow } from './acts/keys.js'
import { deafService, majorityAway, memberAway, upgradeOneByOne } from './acts/machines.js'
import { compactWhileCut, enableDuring, takeAndGiveBack, takeDuring, takeWhileRead } from './acts/takings.js'
import { hasSlowDisks } from './slow-disk.js'

/** Which acts there are, and in what order a seed has them done. */

export type NamedAct = readonly [name: string, act: Act]

/** In a minute or so, each kind of fault once. */
const USUAL: readonly NamedAct[] = [
  ['take and give back', takeAndGiveBack],
  ['take while a watch hangs', takeDuring('its watch hangs')],
  ['take while a KDC stops after its keep-alive', takeDuring('it stops between keep-alive and confirmation')],
  ['take while a KDC is cut off from etcd', takeDuring('it is cut off from etcd')],
  ['take while what etcd sends is held up', takeDuring('what etcd sends is held up', 'disable')],
  ['take while a KDC is killed', takeDuring('it is killed')],
  ['take while a clock goes back', takeDuring('its clock goes back')],
  ['take while a KDC reads', takeWhileRead],
  ['replace a key while a watch hangs', replaceDuring('its watch hangs')],
  ['the leader is killed', memberAway('it is killed', 'leader', 2_000)],
  ['compact while a KDC is cut off', compactWhileCut],
  ['enable while a watch hangs', enableDuring('its watch hangs')],
  ['two administrators at once', twoAtOnce],
  ['rotate and show', rotateAndShow('its watch hangs')],
  ['a holder changes its key', holderChangesKey],
  ['one code, two hosts', oneCodeTwoHosts],
]

const SLOW_DISKS: readonly NamedAct[] = [
  ['the leader has a slow disk', memberAway('its disk is slow', 'leader', 3_000)],
  ['a follower has a slow disk', memberAway('its disk is slow', 'follower', 3_000)],
]

/** What takes longer, or leaves nothing to be promised but safety. */
const FURTHER: readonly NamedAct[] = [
  ['a deaf service', deafService],
  ['the leader stops', memberAway('it stops', 'leader', 4_000)],
  ['the leader is cut off', memberAway('it is cut off from its peers', 'leader', 4_000)],
  ['what a follower hears is held up', memberAway('what its peers send is held up', 'follower', 3_000)],
  ['a slow leader', memberAway('it is slow', 'leader', 3_000)],
  ['a slow follower', memberAway('it is slow', 'follower', 3_000)],
  ['take while a KDC stops', takeDuring('it stops')],
  ['take while only etcd hears', takeDuring('etcd hears it, and it does not hear etcd')],
  ['take while a clock goes ahead', takeDuring('its clock goes ahead')],
  ['take while clients are cut off', takeDuring('clients are cut off from it')],
  ['take while what clients send is held up', takeDuring('what clients send it is held up')],
  ['replace a key while a KDC stops', replaceDuring('it stops between keep-alive and confirmation')],
  ['the majority is away', majorityAway],
  ['etcd goes back', goneBack],
  ['upgrade one by one', upgradeOneByOne],
  ...(hasSlowDisks ? SLOW_DISKS : []),
]

export interface Choice {
  /** Without the acts that take long, and not each of the others either. */
  readonly isShort?: boolean
  /** Acts whose names contain one of these, and no others. */
  readonly only?: readonly string[] | undefined
}

/** The acts that a machine with these programs can do. */
export function actsOf({ only, isShort = false }: Choice): readonly NamedAct[] {
  if (only === undefined) return isShort ? USUAL : [...USUAL, ...FURTHER]
  return [...USUAL, ...FURTHER].filter(([name]) => only.some(part => name.includes(part)))
}

/**
 * Round after round, in another order each time.
 * @param isOver whether there is to be no further act; a first round is ended by it only if it is short, and none was named.
 * Without it there is one round
 */
export function* scheduleOf(
  choice: Choice,
  chance: Chance,
  isOver: (() => boolean) | undefined,
): Iterable<NamedAct> {
  const acts = actsOf(choice)
  for (let round = 1; ; round++) {
    for (const act of shuffled(acts, chance)) {
      const mayEnd = round > 1 || (choice.isShort === true && choice.only === undefined)
      if (mayEnd && isOver?.() === true) return
      yield act
    }
    if (isOver === undefined) return
  }
}

function shuffled<T>(items: readonly T[], chance: Chance): T[] {
  const left = [...items]
  return items.map(() => left.splice(chance.below(left.length), 1)[0] as T)
}

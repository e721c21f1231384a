import type { Logger } from '../../shared/logger.js'
import { SECOND } from '../../shared/time.js'
import {
  ALL_REFUSALS_LOGGED,
  LEAPS_LOGGED,
  type Rate,
  REFUSALS_LOGGED,
  TICKETS_LOGGED,
} from '../limits/defaults.js'
import { NETWORK_SHARES, networksOf } from '../limits/networks.js'
import { failsafeLogger } from './failsafe-logger.js'
import { LineQuota } from './line-quota.js'
import { ADDRESS, type Counted, lineOf } from './lines.js'
import type { Listener } from './report.js'

type Quotas = Readonly<Record<Counted['quota'], readonly LineQuota[]>>

/** When a quota is used up. */
const NOW_OMITTED = {
  refusals: 'too many refusals: further ones are not logged for now',
  tickets: 'too many tickets: further ones are not logged for now',
  leaps: 'the clock keeps leaping: further leaps are not logged for now',
} as const satisfies Record<Counted['quota'], string>

/** When its interval has ended. */
const WERE_OMITTED = {
  refusals: 'refusals were not logged, because there were too many',
  tickets: 'tickets were not logged, because there were too many',
  leaps: 'leaps of the clock were not logged, because there were too many',
} as const satisfies Record<Counted['quota'], string>

/**
 * Writes every event to the log. What somebody can provoke for ever has a quota for each address or proved client,
 * because a disk is finite (`REFUSALS_LOGGED`, `TICKETS_LOGGED`). One line says that a quota is used up, and another
 * how many lines were omitted: it comes with the first event after the interval, or when the KDC closes. Levels are
 * counted apart, so that a flood of warnings cannot hide errors of the KDC, nor tickets issued those denied. The
 * networks of an IPv6 address have quotas too, because one host has many addresses.
 * @param monotonic milliseconds of a clock that is never set
 * @param replica this KDC, where several share the realm: each line names it
 */
export function logListener(logger: Logger, monotonic: () => number, replica?: string): Listener {
  const quotas = createQuotas(monotonic)
  const all = new LineQuota(ALL_REFUSALS_LOGGED, monotonic)
  const failsafe = failsafeLogger(logger, replica === undefined ? undefined : { replica })
  const write = writerWithin(all, failsafe)
  return event => {
    if (event.kind === 'record_changing') return
    const isLast = event.kind === 'kdc_closed'
    tellOmitted(quotas, write, isLast)
    for (const { level, requester, omitted } of all.ended(isLast))
      failsafe[level]({ requester, omitted }, WERE_OMITTED.refusals)
    const { level, message, fields, counted } = lineOf(event)
    if (counted === undefined) return write(level, undefined, fields, message)
    for (const [i, requester] of countedNames(counted).entries()) {
      const { fate, left } = quotas[counted.quota][i]?.take(level, requester) ?? WRITTEN
      if (fate === 'written') continue
      const omission = { requester, seconds: Math.ceil(left / SECOND) }
      if (fate === 'last') write(level, requester, omission, NOW_OMITTED[counted.quota])
      return
    }
    write(level, counted.requester, fields, message)
  }
}

/** @param requester whom the line is about, if it counts for anybody */
type Write = (level: keyof Logger, requester: string | undefined, fields: object, message: string) => void

/** Everything about an address that proved nothing, and of what was omitted of it, is counted for all of them. */
function writerWithin(all: LineQuota, logger: Logger): Write {
  return (level, requester, fields, message) => {
    if (requester?.startsWith(ADDRESS) !== true) return logger[level](fields, message)
    const { fate, left } = all.take(level, ALL_ADDRESSES)
    if (fate === 'written') logger[level](fields, message)
    const omission = { requester: ALL_ADDRESSES, seconds: Math.ceil(left / SECOND) }
    if (fate === 'last') logger[level](omission, NOW_OMITTED.refusals)
  }
}

const ALL_ADDRESSES = 'all addresses'

const WRITTEN = { fate: 'written', left: 0 } as const

/** The first quota of a kind is that of an address or client; the others are those of its larger networks. */
function createQuotas(monotonic: () => number): Quotas {
  const quotaOf = (rate: Rate): LineQuota => new LineQuota(rate, monotonic)
  const { points, interval } = REFUSALS_LOGGED
  return {
    refusals: NETWORK_SHARES.map(share => quotaOf({ points: points * share, interval })),
    tickets: [quotaOf(TICKETS_LOGGED)],
    leaps: [quotaOf(LEAPS_LOGGED)],
  }
}

function tellOmitted(quotas: Quotas, write: Write, all: boolean): void {
  for (const kind of ['refusals', 'tickets', 'leaps'] as const) {
    for (const quota of quotas[kind]) {
      for (const { level, requester, omitted } of quota.ended(all)) {
        write(level, requester, { requester, omitted }, WERE_OMITTED[kind])
      }
    }
  }
}

/** The names that a line counts for, in the order of the quotas. */
function countedNames({ requester }: Counted): readonly string[] {
  if (!requester.startsWith(ADDRESS)) return [requester]
  return networksOf(requester.slice(ADDRESS.length)).map(network => `${ADDRESS}${network}`)
}

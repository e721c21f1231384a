import type { KdcEvent } from '../../shared/channel/calls.js'
import { encodeSurvive, KDC_EVENT } from '../../shared/revocation/feed.js'

/** Tells a follower for how long it is to go on without a KDC. @param outage milliseconds; null for as long as by itself */
export function surviveEvent(outage: number | null): KdcEvent {
  return { name: KDC_EVENT.SURVIVE, fields: encodeSurvive(outage) }
}

import { at, type Call, type Deed, type History, ofKind, type Violation } from '../history.js'

/**
 * A service refuses what was revoked at the latest when it has had no current KDC for as long as it goes on without.
 * @param bound milliseconds
 */
export function lateRefusals(history: History, bound: number): Violation[] {
  const deeds = ofKind(history, 'deed').filter(({ outcome }) => outcome === 'done')
  const seals = new Map(ofKind(history, 'seal').map(seal => [seal.ticketId, seal.at]))
  return ofKind(history, 'call').flatMap(call => {
    if (call.outcome !== 'accepted') return []
    const dead = deeds.find(deed => deed.ended + bound < call.began && kills(deed, call, seals))
    if (dead === undefined) return []
    const says = `${call.service} accepted a ticket of ${call.client} at ${at(call.began)}, ${(call.began - dead.ended).toFixed(0)} ms after "${dead.what}" was acknowledged, and its bound is ${bound} ms`
    return [{ rule: 'late refusal', says } satisfies Violation]
  })
}

function kills(deed: Deed, call: Call, seals: ReadonlyMap<string, number>): boolean {
  const { ticketId, client, service, kvno } = call
  if (ticketId === undefined) return false
  if (deed.endsTicket === ticketId) return true
  if (deed.endsKeysOf?.service === service && kvno !== undefined && kvno < deed.endsKeysOf.kvno) return true
  const sealed = seals.get(ticketId)
  // What is sealed while it is done may bear the series that comes after.
  return deed.endsTicketsOf === client && sealed !== undefined && sealed < deed.began
}

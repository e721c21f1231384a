import type { Principal } from '../../shared/principal.js'
import type { ExchangeContext } from '../realm/context.js'
import type { View } from '../realm/directory.js'
import { type MaybePromise, useValue } from '../realm/maybe-promise.js'
import type { PrincipalRecord } from '../vault/records.js'
import { groupsOf, lookUpServices, type RequestedService } from './service-tickets.js'
import { ticketGranting } from './tgt.js'

/** The records that an AS or TGS exchange decides from. */
export interface DecisionRecords {
  /** Of `krbtgt@realm`. */
  readonly granting: PrincipalRecord
  /** `undefined` if it was removed meanwhile. */
  readonly client: PrincipalRecord | undefined
  readonly services: readonly RequestedService[]
}

/** @throws OrthrusError `unavailable` */
export function lookUpRecords(
  context: ExchangeContext,
  view: View,
  client: Principal,
  services: readonly Principal[],
): MaybePromise<DecisionRecords> {
  const asking = view.principal(client)
  const found = [
    ticketGranting(context, view),
    asking,
    useValue(asking, record => lookUpServices(view, { name: client, groups: groupsOf(record) }, services)),
  ] as const
  const [granting, record, requested] = found
  if (granting instanceof Promise || record instanceof Promise || requested instanceof Promise) {
    return Promise.all(found).then(([granting, client, services]) => ({ granting, client, services }))
  }
  return { granting, client: record, services: requested }
}

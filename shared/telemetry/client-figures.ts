import type { Figure } from './figures.js'
import type { CountedRealm } from './sources.js'

/** What a realm of a client says by `metrics()`. */
export const CLIENT_FIGURES: readonly Figure<CountedRealm>[] = [
  {
    name: 'client.events',
    kind: 'counter',
    help: 'Events of the client by kind (docs/telemetry.md of orthrus)',
    label: 'kind',
    read: realm => Object.entries(realm.metrics().events),
  },
  {
    name: 'client.refused_tickets',
    kind: 'counter',
    help: 'Tickets that the KDC did not grant, by code',
    label: 'code',
    read: realm => Object.entries(realm.metrics().refusedTickets),
  },
  {
    name: 'client.refused_calls',
    kind: 'counter',
    help: 'Requests that were refused, or have no proved answer, by code',
    label: 'code',
    read: realm => Object.entries(realm.metrics().refusedCalls),
  },
  {
    name: 'client.tickets',
    kind: 'gauge',
    help: 'Tickets that are kept',
    read: realm => [['', realm.metrics().tickets]],
  },
  {
    name: 'client.kdc_connected',
    kind: 'gauge',
    help: '1 if a connection to a KDC is open',
    read: realm => [['', realm.metrics().kdcConnected ? 1 : 0]],
  },
]

import { SECOND } from '../time.js'
import type { Figure } from './figures.js'
import type { CountedService } from './sources.js'

/** What a service says by `metrics()` and `state`. */
export const SERVICE_FIGURES: readonly Figure<CountedService>[] = [
  {
    name: 'service.events',
    kind: 'counter',
    help: 'Events of the service by kind (docs/telemetry.md of orthrus)',
    label: 'kind',
    read: service => Object.entries(service.metrics().events),
  },
  {
    name: 'service.refused',
    kind: 'counter',
    help: 'Requests that were refused or replayed, by the code that answered them',
    label: 'code',
    read: service => Object.entries(service.metrics().refused),
  },
  {
    name: 'service.passed_without_ticket',
    kind: 'counter',
    help: 'Requests that permitWithoutTicket let through',
    read: service => [['', service.metrics().passedWithoutTicket]],
  },
  {
    name: 'service.open_channels',
    kind: 'gauge',
    help: 'Channels that are open',
    read: service => [['', service.metrics().openChannels]],
  },
  {
    name: 'service.ticket_cache.tickets',
    kind: 'gauge',
    help: 'Opened tickets that are remembered',
    read: service => [['', service.metrics().ticketCache.tickets]],
  },
  {
    name: 'service.ticket_cache.hits',
    kind: 'counter',
    help: 'Tickets of requests that were remembered',
    read: service => [['', service.metrics().ticketCache.hits]],
  },
  {
    name: 'service.ticket_cache.misses',
    kind: 'counter',
    help: 'Tickets of requests that had to be opened',
    read: service => [['', service.metrics().ticketCache.misses]],
  },
  {
    name: 'service.replay_cache.entries',
    kind: 'gauge',
    help: 'Requests in the replay cache',
    read: service => [['', service.metrics().replayCache?.entries]],
  },
  {
    name: 'service.replay_cache.capacity',
    kind: 'gauge',
    help: 'Requests for which the replay cache always has room',
    read: service => [['', service.metrics().replayCache?.capacity]],
  },
  {
    name: 'service.replay_cache.size',
    kind: 'gauge',
    unit: 'By',
    help: 'Memory of the replay cache',
    read: service => [['', service.metrics().replayCache?.bytes]],
  },
  {
    name: 'service.ready',
    kind: 'gauge',
    help: '1 if requests are accepted, as far as keys and revocations decide',
    read: service => [['', service.state.ready ? 1 : 0]],
  },
  {
    name: 'service.revocations',
    kind: 'gauge',
    help: 'Revocations that are held',
    read: service => [['', service.state.feed?.revocations]],
  },
  {
    name: 'service.revocations.age',
    kind: 'gauge',
    unit: 's',
    help: 'Time since the last question about revocations that a KDC answered',
    read: service => [['', seconds(service.state.feed?.age)]],
  },
  {
    name: 'service.key.age',
    kind: 'gauge',
    unit: 's',
    help: 'Age of each key of the service, as a KDC told it',
    label: 'kvno',
    read: service => service.state.keys.map(({ kvno, age }) => [String(kvno), seconds(age)]),
  },
]

function seconds(milliseconds: number | undefined): number | undefined {
  return milliseconds === undefined ? undefined : milliseconds / SECOND
}

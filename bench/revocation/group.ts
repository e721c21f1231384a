import type { Revocation } from '../exchanges/kdc-process.js'
import { clientName, type StartedKdc } from '../exchanges/realm.js'
import { type Group, makeGroup, quantile, type Sample } from '../figures.js'
import { type Child, withChildren } from '../processes.js'
import type { Settings } from '../settings.js'

/** From the answer to `revoke` to the refusals of all services that follow. */

const SERVICES = { NORMAL: 100, QUICK: 10 } as const
/** A round is short, and one disturbance of the machine changes all of it. */
const IN_ROUND = { NORMAL: 4, QUICK: 1 } as const

const PROCESSES = [
  './exchanges/kdc-process.js',
  './revocation/services-process.js',
  './revocation/load-process.js',
]

export function measureRevocation(settings: Settings): Promise<Group> {
  const size = settings.quick ? 'QUICK' : 'NORMAL'
  const count = SERVICES[size]
  return withChildren(PROCESSES, async (...processes) => {
    const [kdc, services, load] = processes as [Child, Child, Child]
    const started = await kdc.ask<StartedKdc>('start', { clients: 1, services: count })
    const ports = await services.ask<number[]>('start', { ...started, count })
    await load.ask('prepare', { ...started, ports })
    const measure = () => measureOne(kdc, services, load)
    // The first revocation also compiles what the others run.
    await measure()
    const samples: Sample[] = []
    for (let i = 0; i < settings.rounds * IN_ROUND[size]; i++) samples.push(await measure())
    const head = { id: `revocation.${count}`, name: `${count} services that follow` }
    return makeGroup(HEAD, [{ head, samples }])
  })
}

const HEAD = {
  id: 'revocation',
  title: 'A revoked client, until all services refuse it',
  note:
    'A KDC, services that follow it, all in one process with a port each, and a client in a third. The client has a ' +
    'ticket for each service, and a request there that waits. Its tickets are revoked; each service ends the request ' +
    'that waits, is asked again at once, and refuses that as revoked, which is proved by its MAC. Times are from the ' +
    "KDC's answer to the command to the last of these refusals, to half of them, and to the moment when the KDC knows " +
    'of all services. Each sample is one revocation.',
  columns: [
    { key: 'last', title: 'the last refuses, ms', better: 'less' },
    { key: 'half', title: 'half of them refuse, ms', better: 'less' },
    { key: 'applied', title: 'known of all, ms', better: 'less' },
  ],
  main: 'last',
} as const

async function measureOne(kdc: Child, services: Child, load: Child): Promise<Sample> {
  await load.ask('ask')
  await services.ask('allWait')
  const { answeredAt, appliedAt } = await kdc.ask<Revocation>('revoke', clientName(0))
  const refused = Float64Array.from(await load.ask<number[]>('refused'), time => time - answeredAt)
  return { last: quantile(refused, 1), half: quantile(refused, 0.5), applied: appliedAt - answeredAt }
}

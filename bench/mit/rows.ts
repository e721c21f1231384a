import type { LoadFigures } from '../exchanges/load-process.js'
import type { MeasuredRow, RowHead, Sample } from '../figures.js'
import { warmUp } from '../measure.js'
import { type Child, withChildren } from '../processes.js'
import type { Settings } from '../settings.js'
import { hasMit, type MitKdc, startMitKdc } from './kdc.js'
import type { MitOrder } from './load-process.js'

/** MIT's KDC beside ours, asked for the same with as many requests in flight, where it is installed. */

const FIRST = 256
const MOST_IN_FLIGHT = 32

interface Plan {
  readonly exchange: MitOrder['exchange']
  readonly inFlight: number
  readonly head: RowHead
}

const PLANS: readonly Plan[] = (
  [
    ['AS', 'as.0'],
    ['TGS', 'tgs.1'],
  ] as const
).flatMap(([exchange, ours]) =>
  [1, MOST_IN_FLIGHT].map(inFlight => {
    const name = `MIT krb5, ${exchange}; ${inFlight} in flight`
    return {
      exchange,
      inFlight,
      head: { id: `mit.${ours}.${inFlight}`, name, peer: true, beside: `${ours}.1x${inFlight}` },
    }
  }),
)

/** @returns no rows, after saying so, where MIT's KDC is not installed */
export async function measureMit(settings: Settings): Promise<MeasuredRow[]> {
  if (!hasMit) {
    console.error('without MIT krb5, which is not installed: Debian has it in krb5-kdc and krb5-admin-server')
    return []
  }
  const kdc = await startMitKdc()
  try {
    return await withChildren(['./mit/load-process.js'], async (...processes) => {
      const [load] = processes as [Child]
      await load.ask('connect', { port: kdc.port, inFlight: MOST_IN_FLIGHT })
      const rows: MeasuredRow[] = []
      for (const plan of PLANS) rows.push(await measurePlan(kdc, load, plan, settings))
      return rows
    })
  } finally {
    await kdc.stop()
  }
}

async function measurePlan(kdc: MitKdc, load: Child, plan: Plan, settings: Settings): Promise<MeasuredRow> {
  const round = (count: number) => measureRound(kdc, load, plan, count)
  const count = await warmUp(round, FIRST, settings)
  const samples: Sample[] = []
  for (let left = settings.rounds; left > 0; left--) samples.push(await round(count))
  return { head: plan.head, samples }
}

async function measureRound(
  kdc: MitKdc,
  load: Child,
  { exchange, inFlight }: Plan,
  count: number,
): Promise<Sample> {
  await load.ask('prepare', { exchange, count })
  const before = kdc.cpu()
  const { elapsed, p50, p99 } = await load.ask<LoadFigures>('run', { inFlight })
  return { cpu: (kdc.cpu() - before) / count, rate: (count / elapsed) * 1000, p50, p99 }
}

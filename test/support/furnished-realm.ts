import { connect } from '../../client/connect.js'
import { NO_LIMITS } from '../../shared/administration/principals.js'
import { NO_TERMS, type PolicyRule } from '../../shared/administration/rule.js'
import { formatKeytab } from '../../shared/keytab/keytab.js'
import { silentLogger } from '../../shared/logger.js'
import { parseGroup, patternIn } from '../../shared/pattern.js'
import { principalIn } from '../../shared/principal.js'
import { DAY, MINUTE, systemClock } from '../../shared/time.js'
import type { ConsoleRealm } from './console-realm.js'

const NAMES = [
  'web/1',
  'web/2',
  'web/3',
  'orders',
  'billing',
  'stock',
  'mail',
  'search',
  'gateway',
  'cron',
  'legacy',
]
const ASKS = [
  ['web/1', 'orders'],
  ['web/2', 'orders'],
  ['web/3', 'search'],
  ['gateway', 'orders'],
  ['gateway', 'billing'],
  ['orders', 'stock'],
  ['billing', 'mail'],
  ['legacy', 'billing'],
] as const

/** Principals, rules, invitations and traffic of a small shop, and names of the longest that there are. */
export async function furnishRealm({ kdc, administration }: ConsoleRealm): Promise<void> {
  const { realm } = kdc
  const keytabs = new Map<string, string>()
  for (const name of [...NAMES, `${'x'.repeat(63)}/${'y'.repeat(63)}`]) {
    const principal = principalIn(realm, name)
    const { kvno, key } = await administration.add({ principal, password: null, ...NO_LIMITS })
    if (key !== null) keytabs.set(name, formatKeytab([{ principal, kvno, key }]))
  }
  const rule = (client: string, service: string, terms: Partial<PolicyRule> = {}): Promise<void> =>
    administration.setRule({
      client: patternIn(realm, client),
      service: patternIn(realm, service),
      effect: 'allow',
      ...NO_TERMS,
      ...terms,
    })
  const backend = ['orders', 'billing', 'stock'].map(name => principalIn(realm, name))
  await administration.groups.add({ group: parseGroup('@backend'), principals: backend })
  await rule('web/*', 'orders', { claims: [['role', 'reader']], methods: ['GET', 'HEAD'] })
  await rule('gateway', 'orders', { claims: [['role', 'writer']], maxLife: 15 * MINUTE, delegable: true })
  await rule('gateway', 'billing', { rate: { points: 600, interval: MINUTE } })
  await rule('@backend', 'stock')
  await rule('@backend', 'mail')
  await rule('cron', 'mail', { until: systemClock.now() + 7 * DAY })
  await rule('*', 'search')
  await rule('legacy', 'billing', { effect: 'deny' })
  const endsAt = systemClock.now() + DAY
  await administration.invitations.make({
    target: patternIn(realm, 'web/*'),
    uses: 20,
    endsAt,
    principalsLife: null,
  })
  await administration.disable(principalIn(realm, 'cron'))
  for (const [client, service] of ASKS) {
    const keytab = { text: keytabs.get(client) ?? '' }
    const asking = await connect({ kdc: kdc.url, keytab, logger: silentLogger })
    await asking.getServiceTicket(service).catch(() => {})
    asking.close()
  }
}

import { join } from 'node:path'
import { type ConnectedAdministration, NO_TERMS, type PolicyRule } from 'orthrus/admin'
import { orthrus } from './processes.js'

/** The realm that the demonstration of the console looks at: a small shop. */

export const SERVICES = ['orders', 'billing', 'stock', 'mail', 'search', 'db/1', 'db/2'] as const
const FLEET = ['web/1', 'web/2', 'web/3', 'web/4', 'web/5', 'web/6'] as const
const PROGRAMS = ['gateway', 'cron', 'reports', 'backup', 'legacy', 'mirror'] as const

/** Who asks for what, and how often: milliseconds between two times. */
export interface Habit {
  readonly client: string
  readonly services: readonly string[]
  readonly every: number
  /** Not before so many milliseconds have passed. */
  readonly from?: number
}

export const HABITS: readonly Habit[] = [
  ...FLEET.map((client, i) => ({ client, services: ['orders', 'search'], every: 900 + 350 * i })),
  { client: 'gateway', services: ['orders', 'billing', 'search'], every: 600 },
  { client: 'orders', services: ['stock', 'db/1'], every: 1_300 },
  { client: 'billing', services: ['mail', 'db/2'], every: 2_100 },
  { client: 'stock', services: ['db/1'], every: 3_000 },
  { client: 'cron', services: ['reports', 'mail'], every: 8_000 },
  { client: 'reports', services: ['db/1', 'db/2'], every: 5_000 },
  // What policy denies, now and then.
  { client: 'legacy', services: ['billing'], every: 7_000 },
  { client: 'web/3', services: ['billing'], every: 19_000 },
  // Somebody whom nobody has seen before.
  { client: 'backup', services: ['db/1', 'db/2'], every: 4_000, from: 20_000 },
  { client: 'mirror', services: ['stock'], every: 6_000, from: 45_000 },
]

/** Registers everybody, each with a keytab in the folder, and writes policy. */
export async function furnish(administration: ConnectedAdministration, admin: Admin): Promise<void> {
  await admin('add', ...SERVICES, ...FLEET, ...PROGRAMS)
  const { groups } = administration
  const members = ['orders', 'billing', 'stock'].map(name => administration.principal(name))
  await groups.add({ group: administration.pattern('@backend'), principals: members })
  const rule = (client: string, service: string, terms: Partial<PolicyRule> = {}): Promise<void> =>
    administration.setRule({
      client: administration.pattern(client),
      service: administration.pattern(service),
      effect: 'allow',
      ...NO_TERMS,
      ...terms,
    })
  await rule('web/*', 'orders', { claims: [['role', 'reader']], methods: ['GET', 'HEAD'] })
  await rule('*', 'search')
  await rule('gateway', 'orders', { claims: [['role', 'writer']], delegable: true })
  await rule('gateway', 'billing', { rate: { points: 600, interval: 60_000 } })
  await rule('@backend', 'db/*', { claims: [['scopes', ['read', 'write']]] })
  await rule('@backend', 'mail')
  await rule('orders', 'stock')
  await rule('cron', 'reports')
  await rule('cron', 'mail')
  await rule('reports', 'db/*', { claims: [['scopes', ['read']]] })
  await rule('backup', 'db/*')
  await rule('mirror', 'stock')
  await rule('legacy', 'billing', { effect: 'deny' })
  const day = 24 * 60 * 60_000
  await administration.invitations.make({
    target: administration.pattern('web/*'),
    uses: 20,
    endsAt: Date.now() + day,
    principalsLife: null,
  })
}

/** `orthrus admin` with these arguments, by the first administrator. */
export type Admin = (...args: string[]) => Promise<string>

/** Makes an administrator who logs in with a password. */
export async function addAdministrator(
  name: string,
  password: string,
  folder: string,
  login: readonly string[],
): Promise<void> {
  await orthrus(folder, ['admin', 'add', name, '--password', ...login], `${password}\n`)
  await orthrus(folder, ['admin', 'allow', name, 'kdc', '--claim', 'role=admin', ...login])
}

/** Where `orthrus admin add` put the key of a principal. */
export function keytabOf(folder: string, name: string): string {
  return join(folder, `${name.replace('/', '.')}.keytab`)
}

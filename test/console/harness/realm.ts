import type { PrincipalSummary } from '../../../shared/administration/principals.js'
import type { KeptLog } from './log.js'
import { REALM, summary } from './session.js'

/** Principals and their traffic, drawn by a generator with a seed: each run is the same. */

export interface Scale {
  readonly principals: number
  /** Lines a second. */
  readonly rate: number
  /** Names, reasons and addresses of somebody who means harm. */
  readonly hostile: boolean
}

const SERVICES = [
  'orders',
  'billing',
  'stock',
  'mail',
  'search',
  'db',
  'cache',
  'audit-sink',
  'images',
  'sso',
]
const STEPS = [0, 0, 0, 0, 0, 3, 3, 3, 3, 7]
const PEOPLE = ['ana', 'bo', 'chidi', 'dora']

export function principalsFor({ principals }: Scale): PrincipalSummary[] {
  const rows = [
    ...SERVICES.map(name => summary(name, { groups: ['backend'] })),
    ...PEOPLE.map(name => summary(name, { passwordBased: true })),
  ]
  for (let i = rows.length; i < principals; i++)
    rows.push(
      i % 3 === 0
        ? summary(`web/${i}`)
        : i % 3 === 1
          ? summary(`job${i}`, { groups: ['batch'] })
          : summary(`host/${i}.rack`),
    )
  return rows
}

export const HOSTILE = '<img src=x onerror=alert(1)>\u202etxt.exe\u0000'

export class Traffic {
  readonly #log: KeptLog
  readonly #scale: Scale
  readonly #names: readonly string[]
  #state = 1

  constructor(log: KeptLog, scale: Scale) {
    this.#log = log
    this.#scale = scale
    this.#names = principalsFor(scale).map(({ principal }) => principal)
  }

  write(at: number, lines: number): void {
    for (let i = 0; i < lines; i++) this.#line(at)
  }

  #line(at: number): void {
    const client = this.#names[this.#draw(this.#names.length)] ?? ''
    // Each client has two services, and a few a third one.
    const own = client.length + (client.charCodeAt(client.length - 14) || 0)
    const service = `${SERVICES[(own + (STEPS[this.#draw(STEPS.length)] ?? 0)) % SERVICES.length]}@${REALM}`
    const from = `10.0.${this.#draw(4)}.${this.#draw(200)}`
    const kind = this.#draw(100)
    const id = this.#hex(12)
    if (kind < 3)
      this.#log.write(at, {
        kind: 'ticket',
        outcome: 'denied',
        exchange: 'TGS',
        client,
        service,
        from,
        code: 'policy_denied',
        reason: this.#scale.hostile ? HOSTILE.repeat(6) : 'no rule allows it',
        id,
      })
    else if (kind < 4)
      this.#log.write(at, {
        kind: 'request',
        outcome: 'refused',
        exchange: 'AS',
        from,
        code: 'auth_failed',
        reason: 'the key is not that of the principal',
        id,
      })
    else if (kind < 5)
      this.#log.write(at, {
        kind: 'administration',
        outcome: 'changed',
        client: `ana@${REALM}`,
        method: 'allow',
        on: [client, service],
        from,
        details: { effect: 'allow' },
      })
    else
      this.#log.write(at, {
        kind: 'ticket',
        outcome: 'granted',
        exchange: 'TGS',
        client: this.#scale.hostile && kind < 20 ? `${'a'.repeat(200)}\u202e@${REALM}` : client,
        service,
        from,
        rule: `allow ${client} ${service}`,
        ticket: this.#hex(32),
        tgt: this.#hex(32),
        ends: new Date(at + 3_600_000).toISOString(),
      })
  }

  #hex(digits: number): string {
    return Array.from({ length: digits }, () => this.#draw(16).toString(16)).join('')
  }

  #draw(below: number): number {
    this.#state = (Math.imul(this.#state, 1_103_515_245) + 12_345) >>> 0
    return Math.floor((this.#state / 2 ** 32) * below)
  }
}

/** What health asks for. */
export function administrationBesides(now: () => number, day: number): object {
  const rows = SERVICES.slice(0, 4).map((name, i) => ({
    principal: `${name}@${REALM}`,
    address: `10.0.0.${i + 1}`,
    seen: i === 3 ? 5 : 7,
    sent: 7,
    connected: i !== 2,
    silentFor: i === 2 ? 25 * 60_000 : 3_000,
  }))
  return {
    settings: {
      show: async () => ({
        realm: REALM,
        maxTgtLife: 10 * 3_600_000,
        maxServiceLife: 3_600_000,
        maxRenew: 7 * day,
        longestLife: 7 * day,
        rotation: { krbtgt: 30 * day, kdc: 30 * day, principals: 90 * day },
        survive: null,
        createdAt: now() - 200 * day,
      }),
    },
    revocations: { followers: async () => ({ rows, applied: 3, silent: 1, keptFor: 3 * day }) },
    keys: {
      async *due() {
        yield { principal: `mail@${REALM}`, createdAt: now() - 120 * day, due: now() - 30 * day }
      },
    },
    invitations: {
      async *list() {},
    },
    show: async (name: string) => ({ ...summary('x'), principal: name, kvnos: [3, 2] }),
  }
}

import { signal } from '@preact/signals'
import type { Session } from '../../../console/session/session.js'
import type { PrincipalSummary } from '../../../shared/administration/principals.js'
import { NO_LIMITS } from '../../../shared/administration/principals.js'
import { parseGroup } from '../../../shared/pattern.js'
import { parseRealm, principalIn } from '../../../shared/principal.js'
import { DAY } from '../../../shared/time.js'
import type { KeptLog } from './log.js'

export const REALM = parseRealm('demo.example')

/** A session of a realm that is nowhere but in the page: its views alone are looked at. */
export interface HarnessSession extends Session {
  readonly link: Session['link'] & { value: 'connected' | 'lost' }
}

export interface HarnessOptions {
  readonly log: KeptLog
  readonly now: () => number
  readonly principals?: readonly PrincipalSummary[]
  /** Methods of the administration besides: what is asked for and not here fails. */
  readonly administration?: object
}

export function harnessSession({
  log,
  now,
  principals = [],
  administration,
}: HarnessOptions): HarnessSession {
  async function* list(): AsyncGenerator<PrincipalSummary> {
    yield* principals
  }
  const live = {
    state: signal<'following' | 'lost' | 'none'>('following'),
    subscribe: (listener: Parameters<KeptLog['subscribe']>[0]) => log.subscribe(listener),
  }
  const changed = { principals: signal(0), policy: signal(0), invitations: signal(0), realm: signal(0) }
  return {
    administration: { realm: REALM, audit: log, list, ...administration },
    aside: () => Promise.reject(new TypeError('not in the harness')),
    realm: REALM,
    me: principalIn(REALM, 'ana'),
    now,
    live,
    changed,
    link: signal('connected'),
  } as unknown as HarnessSession
}

export function summary(
  name: string,
  { groups = [], passwordBased = false }: { groups?: readonly string[]; passwordBased?: boolean } = {},
): PrincipalSummary {
  const createdAt = Date.parse('2026-01-01T00:00:00Z')
  return {
    principal: principalIn(REALM, name),
    kvnos: [1],
    keyCreatedAt: createdAt,
    passwordBased,
    disabled: false,
    createdAt,
    changedAt: createdAt + DAY,
    groups: groups.map(parseGroup),
    ...NO_LIMITS,
  }
}

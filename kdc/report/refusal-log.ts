import type { Principal } from '../../shared/principal.js'
import { SECOND } from '../../shared/time.js'
import { REFUSALS_LOGGED } from '../limits/defaults.js'
import type { ExchangeContext } from '../realm/context.js'

/** Who was refused what; every field goes into the log. */
export interface About {
  readonly exchange?: string
  readonly address?: string
  /** Proved: it counts for itself wherever it is, and nobody else uses up its lines. */
  readonly client?: Principal | undefined
  /** Of a channel: the client and who acts for it. */
  readonly by?: readonly Principal[]
  readonly method?: string
}

export type Where = Pick<ExchangeContext, 'logger' | 'rates'>

/**
 * Writes down a refusal, of each address or proved client so many an interval: what anybody may send without end must
 * not fill a disk. The last line says that others are left out. Errors, which are the KDC's own, count apart from
 * warnings, so that no flood of these hides them.
 */
export async function logRefusal(
  { logger, rates }: Where,
  level: 'warn' | 'error',
  about: About,
  facts: object,
  message: string,
): Promise<void> {
  const { address, client, by } = about
  const who = by?.join(' ') ?? client ?? `address ${address}`
  const { count, left } = await rates.countRefusal(`${level} ${who}`)
  const { points } = REFUSALS_LOGGED
  const seconds = Math.ceil(left / SECOND)
  if (count <= points) logger[level]({ ...about, ...facts }, message)
  else if (count === points + 1)
    logger[level]({ who, seconds }, 'further refusals are not logged for so long')
}

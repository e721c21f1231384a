import { type RateLimiterAbstract, RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible'
import { OrthrusError } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import { SECOND } from '../../shared/time.js'
import type { Limits, Rate } from './defaults.js'

/** How much one address or client may ask. Every `require...` throws OrthrusError `rate_limited`. */
export interface RateLimits {
  /** Before an AS request is looked at: it counts as one that proves no key, until it does. */
  requireLogin(address: string): Promise<void>
  /** It proved its key. */
  forgiveLogin(address: string): Promise<void>
  requireParams(address: string): Promise<void>
  /** After a client has proved itself, so that nobody can use up its share but by repeating what it sent. */
  requireClient(client: Principal): Promise<void>
  /** The same for AS requests, whose repetition must not cost the holders of tickets anything. */
  requireClientLogin(client: Principal): Promise<void>
}

/** Limits counted in this process, by the platform's clock. */
export function createRateLimits(
  limits: Pick<Limits, 'failedLogins' | 'params' | 'requestsPerClient'>,
): RateLimits {
  const logins = limiter(limits.failedLogins)
  const params = limiter(limits.params)
  const clients = limiter(limits.requestsPerClient)
  const clientLogins = limiter(limits.requestsPerClient)
  return {
    requireLogin: address => consumeOrReturn(logins, 'AS requests', address),
    async forgiveLogin(address) {
      await logins.reward(address)
    },
    requireParams: address => consume(params, 'PARAMS requests', address),
    requireClient: client => consume(clients, 'requests', client),
    requireClientLogin: client => consume(clientLogins, 'AS requests', client),
  }
}

const nothing = async (): Promise<void> => {}

/** For embedders and tests that count elsewhere. */
export const NO_RATE_LIMITS: RateLimits = {
  requireLogin: nothing,
  forgiveLogin: nothing,
  requireParams: nothing,
  requireClient: nothing,
  requireClientLogin: nothing,
}

function limiter({ points, interval }: Rate): RateLimiterMemory {
  return new RateLimiterMemory({ points, duration: interval / SECOND })
}

/**
 * What is turned away was not looked at, and so proved nothing wrong: it gives back what the limiter counts for it
 * all the same. Otherwise many logins at once, all of them right, would leave none until the interval ends.
 */
async function consumeOrReturn(limiter: RateLimiterAbstract, what: string, key: string): Promise<void> {
  try {
    await consume(limiter, what, key)
  } catch (cause) {
    await limiter.reward(key)
    throw cause
  }
}

/** The limiter rejects with its count where no points are left. */
async function consume(limiter: RateLimiterAbstract, what: string, key: string): Promise<void> {
  try {
    await limiter.consume(key)
  } catch (cause) {
    if (cause instanceof Error) throw cause
    throw limited(what, key, cause as RateLimiterRes)
  }
}

function limited(what: string, key: string, { msBeforeNext }: RateLimiterRes): OrthrusError {
  const hint = `again in ${Math.ceil(msBeforeNext / SECOND)} s`
  return new OrthrusError('rate_limited', `too many ${what} from ${key}`, { hint })
}

import type { IncomingMessage } from 'node:http'
import type { Value } from '../../shared/encoding/encoding.js'
import type { CaveatChecker } from '../../shared/ticket/caveats.js'
import type { RefusedRequest } from './refuse.js'
import { createRequirement, type Requirement, type RequirementOptions } from './requirements.js'
import { partsOf, type Service, type ServiceParts } from './service.js'

const MAX_BODY = 1024 * 1024
const MAX_RESPONSE = 8 * 1024 * 1024

export type CaveatValue = Value

/** True, and nothing else, where the caveat holds for the request. What it throws counts as false. */
export type AppCaveatChecker = (value: CaveatValue, req: IncomingMessage) => boolean

export interface RequireTicketOptions extends RequirementOptions {
  /** What `loadService` gave. */
  readonly service: Service
  /** Checkers of `app` caveats by name; a caveat without one fails. Default: none. */
  readonly caveats?: Readonly<Record<string, AppCaveatChecker>>
  /** The most bytes of a request's body. Default 1 MiB. */
  readonly maxBody?: number
  /** The most bytes of a response's body: it is kept until it is whole. Default 8 MiB. */
  readonly maxResponse?: number
  /** Told of each request that is not let through, after it was answered. */
  readonly onRefused?: (refused: RefusedRequest, req: IncomingMessage) => void
}

/** The options of one `requireTicket`, checked and complete. */
export interface Filter {
  readonly options: RequireTicketOptions
  readonly service: ServiceParts
  readonly requirement: Requirement
  readonly maxBody: number
  readonly maxResponse: number
}

/** @throws TypeError where an option could not be meant so */
export function createFilter(options: RequireTicketOptions): Filter {
  const service = partsOf(options.service)
  const { maxBody = MAX_BODY, maxResponse = MAX_RESPONSE, caveats = {} } = options
  for (const [name, value] of Object.entries({ maxBody, maxResponse })) {
    if (!Number.isSafeInteger(value) || value < 0) throw new TypeError(`${name} is a number of bytes`)
  }
  for (const [name, checker] of Object.entries(caveats)) {
    if (typeof checker !== 'function') throw new TypeError(`the checker of ${name} is a function`)
  }
  return {
    options,
    service,
    requirement: createRequirement(options, service.principal),
    maxBody,
    maxResponse,
  }
}

const NO_CHECKERS: ReadonlyMap<string, CaveatChecker> = new Map()

/** What `acceptRequest` asks about `app` caveats of this request. */
export function checkersFor(
  { options, service }: Filter,
  req: IncomingMessage,
): ReadonlyMap<string, CaveatChecker> {
  if (options.caveats === undefined) return NO_CHECKERS
  const checkers = new Map<string, CaveatChecker>()
  for (const [name, checker] of Object.entries(options.caveats)) {
    checkers.set(name, value => {
      try {
        return checker(value, req) === true
      } catch (err) {
        service.logger.error({ caveat: name, err }, 'the checker of an app caveat failed')
        return false
      }
    })
  }
  return checkers
}

import { type AdministrationMethod, isRead, isSameElsewhere } from '../shared/administration/methods.js'
import type { KdcEvent } from '../shared/channel/calls.js'
import type { Value } from '../shared/encoding/encoding.js'
import { OrthrusError } from '../shared/errors.js'
import { type Pattern, patternIn } from '../shared/pattern.js'
import { type Principal, principalIn, type RealmName } from '../shared/principal.js'
import { KDC_EVENT } from '../shared/revocation/feed.js'
import { Administration } from './channel/administration.js'
import { type KdcChannel, openKdcChannel } from './channel/kdc-channel.js'
import type { AdminTransport } from './channel/transport.js'
import { connect } from './connect.js'
import type { ConnectOptions } from './connect-options.js'
import { partsOf, type Realm } from './realm.js'

/** `orthrus/admin`: what `orthrus admin` does, as typed calls. The command line makes the same ones. */

export { type PolicyChange, policyChange } from '../shared/administration/policy-change.js'
export {
  formatPolicyFile,
  type Policy,
  type PolicyFile,
  PolicyFileError,
  parsePolicyFile,
} from '../shared/administration/policy-file.js'
export { type NewPrincipal, NO_LIMITS, type PrincipalSummary } from '../shared/administration/principals.js'
export { NO_TERMS, type PolicyRule, type RuleRate } from '../shared/administration/rule.js'
export { type ErrorCode, OrthrusError } from '../shared/errors.js'
export type { Pattern } from '../shared/pattern.js'
export type { Principal, RealmName } from '../shared/principal.js'
export { Administration, type RuleChanged } from './channel/administration.js'
export type { ConnectOptions } from './connect-options.js'

/** The administration of a realm, over a channel that is opened when it is needed, and again once it is over. */
export class ConnectedAdministration extends Administration {
  readonly realm: RealmName
  readonly #calls: AdminCalls
  readonly #close: () => void

  constructor(realm: RealmName, calls: AdminCalls, close: () => void) {
    super(calls)
    this.realm = realm
    this.#calls = calls
    this.#close = close
  }

  /**
   * Opens the channel now, if none is open. From then on the KDC's time is known.
   * @throws OrthrusError as `Realm.getServiceTicket` does
   */
  async ready(): Promise<void> {
    await this.#calls.open()
  }

  /** The principal of a short or whole name. @throws TypeError if it is no name */
  principal(name: string): Principal {
    return principalIn(this.realm, name)
  }

  /** What a rule names: `web`, `web/*`, `@backend` or `*`. @throws TypeError if it is none of these */
  pattern(text: string): Pattern {
    return patternIn(this.realm, text)
  }

  /** Ends the channel and, if `connectAdmin` made it, the connection. */
  close(): void {
    this.#close()
  }
}

/**
 * Connects as an administrator, or as the owner of a service.
 * @param options as those of `connect`
 * @throws TypeError for an option that does not exist; OrthrusError as `connect` does
 */
export async function connectAdmin(options: ConnectOptions): Promise<ConnectedAdministration> {
  let realm: Realm
  try {
    realm = await connect(options)
  } catch (cause) {
    throw cause instanceof TypeError
      ? new TypeError(cause.message.replace(/^connect\b/, 'connectAdmin'))
      : cause
  }
  return administrationOf(realm, () => realm.close())
}

/**
 * The same over a connection that is there.
 * @param closeRealm called when it is closed
 * @param warn called with what an administrator should know about a change that was made
 */
export function administrationOf(
  realm: Realm,
  closeRealm: () => void = () => {},
  warn: (warning: string) => void = () => {},
): ConnectedAdministration {
  const calls = new AdminCalls(realm, warn)
  return new ConnectedAdministration(realm.realm, calls, () => {
    calls.close()
    closeRealm()
  })
}

/**
 * Makes calls over one channel at a time. One that may have changed something is never made again. One that only reads
 * is made again at another KDC, if there are several and one fails.
 */
class AdminCalls implements AdminTransport {
  readonly #realm: Realm
  readonly #warn: (warning: string) => void
  #channel: Promise<KdcChannel> | undefined
  #isClosed = false

  constructor(realm: Realm, warn: (warning: string) => void) {
    this.#realm = realm
    this.#warn = warn
  }

  async call(
    method: AdministrationMethod,
    args: readonly Value[],
    options?: { readonly wait?: number },
  ): Promise<readonly Value[]> {
    const { kdcs } = partsOf(this.#realm).connection
    for (let tries = 1; ; tries++) {
      const channel = await this.open()
      try {
        return await channel.call(method, args, options)
      } catch (cause) {
        if (!isFailureOfKdc(cause)) throw cause
        if (!isRead(method)) throw maybeMade(method, cause)
        if (tries >= kdcs || !isSameElsewhere(method)) throw cause
        this.#leave(channel, cause)
      }
    }
  }

  /** The next call goes to another KDC. */
  #leave(channel: KdcChannel, cause: OrthrusError): void {
    this.#channel = undefined
    channel.leave(cause)
    channel.close()
  }

  async open(): Promise<KdcChannel> {
    if (this.#isClosed)
      throw new OrthrusError('channel_broken', 'the administration was closed', { final: true })
    this.#channel ??= this.#open()
    return this.#channel
  }

  close(): void {
    this.#isClosed = true
    this.#channel?.then(
      channel => channel.close(),
      () => {},
    )
    this.#channel = undefined
  }

  #hear(event: KdcEvent): void {
    const warning = warningOf(event)
    if (warning !== undefined) this.#warn(warning)
  }

  #open(): Promise<KdcChannel> {
    const forget = (): void => {
      if (this.#channel === opened) this.#channel = undefined
    }
    const opened: Promise<KdcChannel> = openKdcChannel(this.#realm, {
      onEnd: forget,
      onEvent: event => this.#hear(event),
    })
    opened.catch(forget)
    return opened
  }
}

/** What the KDC says before it answers; anything else it may say is for others. */
function warningOf({ name, fields: [id] }: KdcEvent): string | undefined {
  if (name !== KDC_EVENT.PUT_OUT || typeof id !== 'string' || !/^[0-9a-f]{1,64}$/.test(id)) return undefined
  return `the KDC ${id} did not apply the change in time and lost its place: it grants nothing until it has seen all changes; look at its machine`
}

/** Whether the KDC, or the way to it, failed before it answered, or could not do the call just now. */
function isFailureOfKdc(cause: unknown): cause is OrthrusError {
  return cause instanceof OrthrusError && (cause.code === 'channel_broken' || cause.code === 'unavailable')
}

/** The error for a call that changes something, of which nobody knows whether the KDC made it. */
function maybeMade(method: AdministrationMethod, cause: OrthrusError): OrthrusError {
  const { code, reason, facts } = cause
  const told = code === 'channel_broken' ? `${reason}, before it answered ${method}` : reason
  return new OrthrusError(code, told, {
    ...facts,
    cause,
    hint: 'it may have been done: look before repeating it',
  })
}

import type { AdminMethod } from '../shared/administration/methods.js'
import type { Value } from '../shared/encoding/encoding.js'
import { OrthrusError } from '../shared/errors.js'
import { type Pattern, patternIn } from '../shared/pattern.js'
import { type Principal, principalIn, type RealmName } from '../shared/principal.js'
import { Administration } from './channel/administration.js'
import { type KdcChannel, openKdcChannel } from './channel/kdc-channel.js'
import type { AdminTransport } from './channel/transport.js'
import { connect } from './connect.js'
import type { ConnectOptions } from './connect-options.js'
import type { Realm } from './realm.js'

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

/** The same over a connection that is there. @param closeRealm called when it is closed */
export function administrationOf(realm: Realm, closeRealm: () => void = () => {}): ConnectedAdministration {
  const calls = new AdminCalls(realm)
  return new ConnectedAdministration(realm.realm, calls, () => {
    calls.close()
    closeRealm()
  })
}

/** Makes calls over one channel at a time. A call that was made is never made again: it may have changed something. */
class AdminCalls implements AdminTransport {
  readonly #realm: Realm
  #channel: Promise<KdcChannel> | undefined
  #isClosed = false

  constructor(realm: Realm) {
    this.#realm = realm
  }

  async call(
    method: AdminMethod,
    args: readonly Value[],
    options?: { readonly wait?: number },
  ): Promise<readonly Value[]> {
    const channel = await this.open()
    return channel.call(method, args, options)
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

  #open(): Promise<KdcChannel> {
    const forget = (): void => {
      if (this.#channel === opened) this.#channel = undefined
    }
    const opened: Promise<KdcChannel> = openKdcChannel(this.#realm, { onEnd: forget })
    opened.catch(forget)
    return opened
  }
}

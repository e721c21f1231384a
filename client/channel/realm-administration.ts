import {
  decodeRealmSummary,
  encodeRealmChanges,
  type RealmChanges,
  type RealmSummary,
} from '../../shared/administration/realm.js'
import { fields } from '../../shared/encoding/fields.js'
import type { AdminTransport } from './transport.js'

/** The settings of the realm. */
export class RealmAdministration {
  readonly #transport: AdminTransport

  constructor(transport: AdminTransport) {
    this.#transport = transport
  }

  async show(): Promise<RealmSummary> {
    const [summary] = fields(await this.#transport.call('realm', []), 1)
    return decodeRealmSummary(summary)
  }

  /** Changes settings while the KDC runs. What is left out stays as it is. @returns all settings as they are then */
  async change(changes: RealmChanges): Promise<RealmSummary> {
    const [summary] = fields(await this.#transport.call('set-realm', [encodeRealmChanges(changes)]), 1)
    return decodeRealmSummary(summary)
  }
}

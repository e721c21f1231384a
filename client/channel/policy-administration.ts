import { encodePolicyChange, type PolicyChange } from '../../shared/administration/policy-change.js'
import type { Policy } from '../../shared/administration/policy-file.js'
import type { PolicyRule } from '../../shared/administration/rules.js'
import type { Administration } from './administration.js'
import type { AdminTransport } from './transport.js'

/** All of policy at once, as a policy file has it. */
export class PolicyAdministration {
  readonly #transport: AdminTransport
  readonly #administration: Pick<Administration, 'policy' | 'groups'>

  constructor(transport: AdminTransport, administration: Pick<Administration, 'policy' | 'groups'>) {
    this.#transport = transport
    this.#administration = administration
  }

  /** All groups with their members, and all rules. */
  async read(): Promise<Policy> {
    const rules: PolicyRule[] = []
    for await (const rule of this.#administration.policy()) rules.push(rule)
    return { groups: await this.#administration.groups.list(), rules }
  }

  /**
   * Makes all changes in one commit, or none.
   * @throws OrthrusError `malformed` if somebody else has changed meanwhile what they say was there before
   */
  async apply(change: PolicyChange): Promise<void> {
    await this.#transport.call('apply-policy', encodePolicyChange(change))
  }
}

import { encodePolicyChange, type PolicyChange } from '../../shared/administration/policy-change.js'
import type { Policy } from '../../shared/administration/policy-file.js'
import type { PolicyRule } from '../../shared/administration/rule.js'
import type { Groups } from './groups.js'
import type { AdminTransport } from './transport.js'

/** All of policy at once, as a policy file has it. */
export class PolicyAdministration {
  readonly #transport: AdminTransport
  readonly #groups: Groups
  readonly #rules: () => AsyncIterable<PolicyRule>

  constructor(transport: AdminTransport, groups: Groups, rules: () => AsyncIterable<PolicyRule>) {
    this.#transport = transport
    this.#groups = groups
    this.#rules = rules
  }

  /** All groups with their members, and all rules. */
  async read(): Promise<Policy> {
    const rules: PolicyRule[] = []
    for await (const rule of this.#rules()) rules.push(rule)
    return { groups: await this.#groups.list(), rules }
  }

  /**
   * Makes all changes in one commit, or none.
   * @throws OrthrusError `malformed` if somebody else has changed meanwhile what they say was there before
   */
  async apply(change: PolicyChange): Promise<void> {
    await this.#transport.call('apply-policy', encodePolicyChange(change))
  }
}

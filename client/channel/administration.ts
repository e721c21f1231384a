import {
  type AddedPrincipal,
  type AdminMethod,
  decodeAddedPrincipal,
  decodePolicyRule,
  decodePrincipalSummary,
  encodeNewPrincipal,
  encodeRuleChange,
  isSameRule,
  type NewPrincipal,
  PAGE_ROWS,
  type PolicyRule,
  type PrincipalSummary,
} from '../../shared/channel/administration.js'
import type { Value } from '../../shared/encoding/encoding.js'
import { fields, listOf, nullable } from '../../shared/encoding/fields.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Pattern } from '../../shared/pattern.js'
import type { Principal } from '../../shared/principal.js'

/** How often a change of a rule is tried where others change the same one. */
const CHANGE_ATTEMPTS = 10

/** What a change of a rule found, and what stands now. */
export interface RuleChanged {
  readonly before: PolicyRule | null
  readonly after: PolicyRule
}

/** What carries the calls: a channel to `kdc@realm` (docs/protocol.md section 9). */
export interface AdminTransport {
  call(method: AdminMethod, args: readonly Value[]): Promise<readonly Value[]>
}

/**
 * The methods of administration, typed. Each is durable at the KDC before it returns, and in force for its next
 * request. All throw OrthrusError with the code that the KDC gives, `not_authorized` without the role.
 */
export class Administration {
  readonly #transport: AdminTransport

  constructor(transport: AdminTransport) {
    this.#transport = transport
  }

  async add(principal: NewPrincipal): Promise<AddedPrincipal> {
    return decodeAddedPrincipal(await this.#transport.call('add', encodeNewPrincipal(principal)))
  }

  async show(principal: Principal): Promise<PrincipalSummary> {
    const [summary] = fields(await this.#transport.call('show', [principal]), 1)
    return decodePrincipalSummary(summary)
  }

  /** All principals, in the order of their names. */
  list(): AsyncGenerator<PrincipalSummary> {
    return this.#pages('list', decodePrincipalSummary, row => [row.principal])
  }

  /** From its next request on the principal gets no tickets, and those it has get none. */
  async disable(principal: Principal): Promise<void> {
    await this.#transport.call('disable', [principal])
  }

  async enable(principal: Principal): Promise<void> {
    await this.#transport.call('enable', [principal])
  }

  /** A principal of the same name made later is another one. */
  async remove(principal: Principal): Promise<void> {
    await this.#transport.call('remove', [principal])
  }

  /** Sets the rule for exactly this pair of patterns, in place of what stood there. */
  async setRule(rule: PolicyRule): Promise<void> {
    await this.#transport.call(rule.effect, encodeRuleChange({ rule, before: undefined }))
  }

  /** The rule of exactly this pair of patterns; null where there is none. */
  async rule(client: Pattern, service: Pattern): Promise<PolicyRule | null> {
    const [rule] = fields(await this.#transport.call('rule', [client, service]), 1)
    return nullable(rule, decodePolicyRule)
  }

  /**
   * Sets the rule of a pair to what `amend` makes of the one that stands. What others change meanwhile is never
   * undone unawares: `amend` is then called again with what they made.
   * @param amend null stands for no rule
   * @throws OrthrusError `malformed` where others keep changing it; and what `amend` throws
   */
  async changeRule(
    client: Pattern,
    service: Pattern,
    amend: (before: PolicyRule | null) => PolicyRule,
  ): Promise<RuleChanged> {
    let before = await this.rule(client, service)
    for (let attempts = CHANGE_ATTEMPTS; ; attempts--) {
      const rule = amend(before)
      try {
        await this.#transport.call(rule.effect, encodeRuleChange({ rule, before }))
        return { before, after: rule }
      } catch (cause) {
        if (!(cause instanceof OrthrusError) || cause.code !== 'malformed' || attempts === 1) throw cause
        const found = await this.rule(client, service)
        if (isSameRule(found, before)) throw cause
        before = found
      }
    }
  }

  /** Takes a rule away; what other rules say of the pair then counts. */
  async forget(client: Pattern, service: Pattern): Promise<void> {
    await this.#transport.call('forget', [client, service])
  }

  /** All rules, in the order of client and service. */
  policy(): AsyncGenerator<PolicyRule> {
    return this.#pages('policy', decodePolicyRule, row => [row.client, row.service])
  }

  async *#pages<Row>(
    method: AdminMethod,
    decodeRow: (value: Value) => Row,
    keyOf: (row: Row) => Value[],
  ): AsyncGenerator<Row> {
    let after: Value = null
    for (;;) {
      const [page] = fields(await this.#transport.call(method, [after, PAGE_ROWS]), 1)
      const rows = listOf(page).map(decodeRow)
      yield* rows
      const last = rows.at(-1)
      if (last === undefined || rows.length < PAGE_ROWS) return
      after = keyOf(last)
    }
  }
}

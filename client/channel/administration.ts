import type { RotationStep } from '../../shared/administration/master-key.js'
import {
  type AddedPrincipal,
  decodeAddedPrincipal,
  decodePrincipalSummary,
  encodeNewPrincipal,
  type NewPrincipal,
  type PrincipalSummary,
} from '../../shared/administration/principals.js'
import {
  decodeRefusals,
  encodeRefusalQuestion,
  type FoundRefusals,
} from '../../shared/administration/refusals.js'
import { decodeRevoked } from '../../shared/administration/revocations.js'
import type { PolicyRule } from '../../shared/administration/rule.js'
import { decodePolicyRule, encodeRuleChange, isSameRule } from '../../shared/administration/rules.js'
import { decodeWhy, encodeWhyQuestion, type Why, type WhyQuestion } from '../../shared/administration/why.js'
import { fields, nullable } from '../../shared/encoding/fields.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Pattern } from '../../shared/pattern.js'
import type { Principal } from '../../shared/principal.js'
import { AuditReading } from './audit-reading.js'
import { backupOf } from './backup.js'
import { Groups } from './groups.js'
import { Invitations } from './invitations.js'
import { KeyAdministration } from './key-administration.js'
import { rotateMasterKey } from './master-key.js'
import { pagesOf } from './pages.js'
import { PolicyAdministration } from './policy-administration.js'
import { RealmAdministration } from './realm-administration.js'
import { Revocations } from './revocations.js'
import type { AdminTransport } from './transport.js'

/** How often a change of a rule is tried while others keep changing the same rule. */
const CHANGE_ATTEMPTS = 10

/** A rule before and after a change. */
export interface RuleChanged {
  readonly before: PolicyRule | null
  readonly after: PolicyRule
}

/**
 * The administrative methods, with types. When a method returns, its change is durable and in force from the KDC's next
 * request on. All throw OrthrusError with the KDC's code, such as `not_authorized` without the administrator's role.
 */
export class Administration {
  readonly keys: KeyAdministration
  readonly revocations: Revocations
  readonly invitations: Invitations
  readonly groups: Groups
  /** All of policy at once. */
  readonly wholePolicy: PolicyAdministration
  readonly settings: RealmAdministration
  readonly audit: AuditReading
  readonly #transport: AdminTransport

  constructor(transport: AdminTransport) {
    this.keys = new KeyAdministration(transport)
    this.revocations = new Revocations(transport)
    this.invitations = new Invitations(transport)
    this.groups = new Groups(transport)
    this.wholePolicy = new PolicyAdministration(transport, this.groups, () => this.policy())
    this.settings = new RealmAdministration(transport)
    this.audit = new AuditReading(transport)
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
    return pagesOf(this.#transport, 'list', decodePrincipalSummary, row => [row.principal])
  }

  /**
   * From its next request on the principal gets no tickets, nor does anybody with a ticket that it already has.
   * @returns the number of the entry in the revocation log
   */
  async disable(principal: Principal): Promise<number> {
    return decodeRevoked(await this.#transport.call('disable', [principal]))
  }

  async enable(principal: Principal): Promise<void> {
    await this.#transport.call('enable', [principal])
  }

  /**
   * A principal that is added later under the same name is a different one.
   * @returns the number of the entry in the revocation log
   */
  async remove(principal: Principal): Promise<number> {
    return decodeRevoked(await this.#transport.call('remove', [principal]))
  }

  /** Sets the rule for exactly this pair of patterns, and replaces an existing one. */
  async setRule(rule: PolicyRule): Promise<void> {
    await this.#transport.call(rule.effect, encodeRuleChange({ rule, before: undefined }))
  }

  /** The rule for exactly this pair of patterns, or null if there is none. */
  async rule(client: Pattern, service: Pattern): Promise<PolicyRule | null> {
    const [rule] = fields(await this.#transport.call('rule', [client, service]), 1)
    return nullable(rule, decodePolicyRule)
  }

  /**
   * Replaces the rule of a pair with what `amend` returns for the current one. If somebody else changes the rule
   * meanwhile, `amend` is called again with the new rule, so that no change is lost.
   * @param amend gets null if there is no rule
   * @throws OrthrusError `malformed` if others keep changing the rule, and whatever `amend` throws
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

  /** The bytes of a backup, piece by piece. Its records stay sealed: only the realm's master key opens them. */
  backup(): AsyncGenerator<Uint8Array> {
    return backupOf(this.#transport)
  }

  /** Gives the realm another master key while its KDC runs, in steps. */
  rotateMasterKey(): AsyncGenerator<RotationStep> {
    return rotateMasterKey(this.#transport)
  }

  /** Removes a rule. Other rules that match the pair then apply. */
  async forget(client: Pattern, service: Pattern): Promise<void> {
    await this.#transport.call('forget', [client, service])
  }

  /** What the KDC would decide about a ticket, and from what. A principal may ask for itself. */
  async why(question: WhyQuestion): Promise<Why> {
    return decodeWhy(await this.#transport.call('why', encodeWhyQuestion(question)))
  }

  /**
   * What the KDC remembers of a refusal, or its audit log has, by its id. A principal is told of its own.
   * @returns how far back the log was gone through, too
   */
  async refusals(id: string): Promise<Omit<FoundRefusals, 'next'>> {
    let back: number | null = null
    for (let before: number | null = null; ; ) {
      const asked = encodeRefusalQuestion({ id, before })
      const { refusals, next, since } = decodeRefusals(await this.#transport.call('refusal', asked))
      back = since ?? back
      // Each page begins before the one in front of it, whatever a KDC says.
      if (next === null || (before !== null && next >= before)) return { refusals, since: back }
      before = next
    }
  }

  /** All rules, ordered by client and service. */
  policy(): AsyncGenerator<PolicyRule> {
    return pagesOf(this.#transport, 'policy', decodePolicyRule, row => [row.client, row.service])
  }
}

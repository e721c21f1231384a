import { RULES_CLEARED, RULES_KEPT } from '../limits/defaults.js'
import { RECORD_KIND } from '../store/store.js'
import { decodePolicyRecord, type PolicyRecord } from '../vault/records.js'
import type { Vault, VaultChange } from '../vault/vault.js'
import type { OpenRealm } from './realm.js'
import type { ReportedChange } from './reported-change.js'

/** Rules with an end decide nothing after it. They are shown for a day longer, and then cleared away. */

function isOutdated({ until }: PolicyRecord, now: number): boolean {
  return until !== null && now >= until + RULES_KEPT
}

/** How many records are read at a time. */
const PAGE = 256

/** The names of rules that ended long ago; a few at a time, in one pass over all rules. */
export async function* outdatedRules(vault: Vault, now: number): AsyncGenerator<readonly string[]> {
  for (let last: string | undefined; ; ) {
    const page = await vault.list(RECORD_KIND.POLICY, {
      ...(last === undefined ? {} : { after: last }),
      limit: PAGE,
    })
    const names = page
      .filter(({ fields }) => isOutdated(decodePolicyRecord(fields), now))
      .map(({ name }) => name)
    for (let i = 0; i < names.length; i += RULES_CLEARED) yield names.slice(i, i + RULES_CLEARED)
    last = page.at(-1)?.name
    if (page.length < PAGE) return
  }
}

/** Removes those of the rules that ended long ago. No change if somebody has removed or prolonged them meanwhile. */
export async function planClearingRules(
  { vault }: Pick<OpenRealm, 'vault'>,
  names: readonly string[],
  now: number,
): Promise<ReportedChange<undefined>> {
  const changes: VaultChange[] = []
  const rules: (readonly [client: string, service: string])[] = []
  for (const name of names) {
    const stored = await vault.read(RECORD_KIND.POLICY, name)
    const record = stored && decodePolicyRecord(stored.fields)
    if (stored === undefined || record === undefined || !isOutdated(record, now)) continue
    changes.push({ kind: RECORD_KIND.POLICY, name, expected: stored.version, fields: undefined })
    rules.push([record.client, record.service])
  }
  const reported = rules.length === 0 ? undefined : ({ method: 'clear-rules', rules } as const)
  return { changes, effect: 'takes', result: undefined, reported }
}

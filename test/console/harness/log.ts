import type { AuditRow } from '../../../client/channel/audit-reading.js'
import type { AuditFilter, Use } from '../../../shared/administration/audit.js'
import {
  type AuditFields,
  type AuditLine,
  decodeAuditLine,
} from '../../../shared/administration/audit-line.js'

/** An audit log in memory, which is read as that of a KDC is. */
export class KeptLog {
  readonly rows: AuditRow[] = []
  readonly #listeners = new Set<(line: AuditLine) => void>()
  #isSilent = false

  /** @param at milliseconds */
  write(at: number, fields: AuditFields): AuditLine {
    const text = JSON.stringify({ n: this.rows.length + 1, at: new Date(at).toISOString(), ...fields })
    const line = decodeAuditLine(text)
    this.rows.push({ line, text })
    if (!this.#isSilent) for (const listener of this.#listeners) listener(line)
    return line
  }

  /** What is written meanwhile is heard by nobody, as if the connection were lost. */
  silently(write: () => void): void {
    this.#isSilent = true
    write()
    this.#isSilent = false
  }

  subscribe(listener: (line: AuditLine) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async *lines(filter: AuditFilter): AsyncGenerator<AuditRow> {
    for (const row of this.rows) if (passes(filter, row.line)) yield row
  }

  async uses(filter: AuditFilter): Promise<readonly Use[]> {
    const found = new Map<string, Use>()
    for (const { line } of this.rows) {
      const { kind, client, service, outcome, from = '' } = line
      if (kind !== 'ticket' || client === undefined || service === undefined || !passes(filter, line))
        continue
      const name = `${client} ${service}`
      const before = found.get(name) ?? { granted: 0, denied: 0 }
      const [granted, denied] = outcome === 'granted' ? [1, 0] : [0, 1]
      const at = Date.parse(line.at)
      found.set(name, {
        client,
        service,
        granted: before.granted + granted,
        denied: before.denied + denied,
        at,
        from,
      })
    }
    return [...found.values()]
  }
}

/** As far as the tests ask for it. */
function passes({ since, outcome, client, service }: AuditFilter, line: AuditLine): boolean {
  if (since !== null && Date.parse(line.at) < since) return false
  if (outcome !== null && line.outcome !== outcome) return false
  if (client !== null && line.client !== client && line.via !== client) return false
  return service === null || line.service === service || line.on?.includes(service) === true
}

import {
  AUDIT_WAIT_MAX,
  type AuditFilter,
  type AuditPlace,
  decodeAuditPage,
  decodeUsesPage,
  encodeAuditQuestion,
  encodeUsesQuestion,
  type Use,
} from '../../shared/administration/audit.js'
import { type AuditLine, decodeAuditLine } from '../../shared/administration/audit-line.js'
import type { AdminTransport } from './transport.js'

/** A line of the audit log: what it says, and how it stands there. */
export interface AuditRow {
  readonly line: AuditLine
  readonly text: string
}

/** Reads the audit log of the KDC. */
export class AuditReading {
  readonly #transport: AdminTransport

  constructor(transport: AdminTransport) {
    this.#transport = transport
  }

  /**
   * The lines that pass the filter, the oldest first.
   * @param options `follow`: goes on with what is written later, for as long as the caller iterates
   */
  async *lines(filter: AuditFilter, options: { readonly follow?: boolean } = {}): AsyncGenerator<AuditRow> {
    const wait = options.follow === true ? AUDIT_WAIT_MAX : 0
    let place: AuditPlace | null = null
    for (;;) {
      const args = encodeAuditQuestion({ filter, place, wait })
      const page = decodeAuditPage(await this.#transport.call('audit', args, { wait }))
      for (const text of page.lines) yield { line: decodeAuditLine(text), text }
      if (page.isEnd && wait === 0) return
      place = page.next
    }
  }

  /** Who got, or was denied, tickets for what: each client and service once, the latest first. */
  async uses(filter: AuditFilter): Promise<readonly Use[]> {
    const found = new Map<string, Use>()
    let place: AuditPlace | null = null
    for (;;) {
      const page = decodeUsesPage(await this.#transport.call('uses', encodeUsesQuestion({ filter, place })))
      for (const use of page.uses) {
        const name = `${use.client} ${use.service}`
        found.set(name, joined(found.get(name), use))
      }
      if (page.isEnd) return [...found.values()].sort((a, b) => b.at - a.at)
      place = page.next
    }
  }
}

function joined(before: Use | undefined, use: Use): Use {
  if (before === undefined) return use
  const later = use.at >= before.at ? use : before
  return { ...later, granted: before.granted + use.granted, denied: before.denied + use.denied }
}

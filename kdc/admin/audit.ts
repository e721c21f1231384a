import {
  type AuditFilter,
  type AuditPage,
  type AuditQuestion,
  decodeAuditQuestion,
  decodeUsesQuestion,
  encodeAuditPage,
  encodeUsesPage,
  type UsesPage,
  type UsesQuestion,
} from '../../shared/administration/audit.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Audit } from '../report/audit/audit.js'
import { readAudit, readUses } from '../report/audit/reader.js'
import { type AdminContext, actorOf } from './context.js'
import { type Method, method } from './method.js'

/** The methods that read the audit log. */

/** A page of lines. At the end of the log it waits for another line, for as long as it was asked to. */
async function audit(context: AdminContext, { filter, place, wait }: AuditQuestion): Promise<AuditPage> {
  const log = requireAudit(context)
  const scope = scopeOf(context, filter)
  await tellReading(context, 'audit', filter)
  const page = await readAudit(log.directory, scope, place)
  if (page.lines.length > 0 || !page.isEnd || wait === 0) return page
  await log.written(wait)
  return readAudit(log.directory, scope, page.next)
}

async function uses(context: AdminContext, { filter, place }: UsesQuestion): Promise<UsesPage> {
  const log = requireAudit(context)
  const scope = scopeOf(context, filter)
  await tellReading(context, 'uses', filter)
  return readUses(log.directory, scope, place)
}

function requireAudit({ audit }: AdminContext): Audit {
  if (audit !== undefined) return audit
  throw new OrthrusError('unavailable', 'this KDC keeps no audit log', {
    final: true,
    hint: 'start it without --without-audit',
  })
}

/** What the caller may see. Administrators see everything; nobody else may call these methods. */
function scopeOf(_context: AdminContext, filter: AuditFilter): AuditFilter {
  return filter
}

/**
 * That somebody reads the log is in the log, once for each channel and method: whoever follows it reads again and
 * again, and each line of that would be another one to read.
 */
async function tellReading(
  context: AdminContext,
  name: 'audit' | 'uses',
  { client, service }: AuditFilter,
): Promise<void> {
  const { report, calling } = context
  if (calling?.readings.has(name) === true) return
  const on = [client, service].filter(each => each !== null)
  await report.record({ kind: 'records_read', ...actorOf(context), method: name, on })
  calling?.readings.add(name)
}

export const AUDIT_METHODS = {
  audit: method({
    callers: 'administrators',
    reads: false,
    decode: decodeAuditQuestion,
    run: async (context, question) => encodeAuditPage(await audit(context, question)),
  }),
  uses: method({
    callers: 'administrators',
    reads: false,
    decode: decodeUsesQuestion,
    run: async (context, question) => encodeUsesPage(await uses(context, question)),
  }),
} satisfies Record<string, Method>

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
import { isPrincipal, type Principal } from '../../shared/principal.js'
import { mayReadAuditOf } from '../issue/ownership.js'
import { groupsAfter } from '../issue/terms-at-kdc.js'
import type { Audit } from '../report/audit/audit.js'
import { ownerView } from '../report/audit/owner-view.js'
import { type AuditScope, readAudit, readUses } from '../report/audit/reader.js'
import { type AdminContext, actorOf } from './context.js'
import { type Method, method } from './method.js'
import { notOwned, presentAuthority } from './owners.js'
import { type Caller, isAdministrator } from './role.js'

/** The methods that read the audit log. */

/** A page of lines. At the end of the log it waits for another line, for as long as it was asked to. */
async function audit(context: AdminContext, { filter, place, wait }: AuditQuestion): Promise<AuditPage> {
  const log = requireAudit(context)
  const scope = await scopeOf(context, filter)
  await tellReading(context, 'audit', scope)
  // What is written while it is read wakes nobody.
  const { lines } = log.state
  const page = await readAudit(log.directory, scope, place)
  if (page.lines.length > 0 || !page.isEnd || wait === 0) return page
  await log.written(lines, wait)
  // What the caller may see can have become less meanwhile.
  return readAudit(log.directory, await scopeOf(context, filter), page.next)
}

async function uses(context: AdminContext, { filter, place }: UsesQuestion): Promise<UsesPage> {
  const log = requireAudit(context)
  const scope = await scopeOf(context, filter)
  await tellReading(context, 'uses', scope)
  return readUses(log.directory, scope, place)
}

function requireAudit({ audit }: AdminContext): Audit {
  if (audit !== undefined) return audit
  throw new OrthrusError('unavailable', 'this KDC keeps no audit log', {
    final: true,
    hint: 'start it without --without-audit',
  })
}

/**
 * What the caller may see: an administrator everything, and an owner of the service that it asks about what `ownerView`
 * tells of it, as long as both its ticket and the rules say that it owns it.
 * @throws OrthrusError `not_authorized`
 */
async function scopeOf(context: AdminContext, filter: AuditFilter): Promise<AuditScope> {
  const { caller, realm } = context
  // Reading needs no more than the ticket says, of an administrator as ever.
  if (caller === undefined || isAdministrator(caller.claims)) return { filter }
  const service = serviceOf(caller, filter)
  const authority = await presentAuthority(context, realm.time.now())
  if (!mayReadAuditOf(authority, service, await groupsAfter(realm, service))) throw notOwned(caller)
  return { filter, view: ownerView(service) }
}

/** The one service that an owner asks about. A pattern is none: it names others later. */
function serviceOf({ client }: Caller, { service }: AuditFilter): Principal {
  if (service !== null && isPrincipal(service)) return service
  throw new OrthrusError(
    'not_authorized',
    `${client} may read the audit log about one of its services at a time`,
    {
      principal: client,
      hint: 'name the service: orthrus admin audit --service NAME, or: orthrus admin who NAME',
    },
  )
}

/**
 * That somebody reads the log is in the log, once for each channel and method, and of an owner for each service: whoever
 * follows it reads again and again, and each line of that would be another one to read.
 */
async function tellReading(
  context: AdminContext,
  name: 'audit' | 'uses',
  { filter: { client, service }, view }: AuditScope,
): Promise<void> {
  const { report, calling } = context
  const reading = view === undefined ? name : `${name} ${service}`
  if (calling?.readings.has(reading) === true) return
  const on = [client, service].filter(each => each !== null)
  await report.record({ kind: 'records_read', ...actorOf(context), method: name, on })
  calling?.readings.add(reading)
}

export const AUDIT_METHODS = {
  audit: method({
    callers: 'owners',
    about: 'rows',
    reads: false,
    decode: decodeAuditQuestion,
    run: async (context, question) => encodeAuditPage(await audit(context, question)),
  }),
  uses: method({
    callers: 'owners',
    about: 'rows',
    reads: false,
    decode: decodeUsesQuestion,
    run: async (context, question) => encodeUsesPage(await uses(context, question)),
  }),
} satisfies Record<string, Method>

import { toHex } from '../../shared/bytes.js'
import type { RevocationEntry } from '../../shared/revocation/entry.js'
import type { KnownPrincipals } from './check-principals.js'
import { entriesIn, type ReadOptions } from './read-records.js'

const CLEAR =
  'a restore begins another log without it: orthrus backup FILE, stop the KDC, orthrus restore FILE --data NEW-DIR'

/** Checks that the revocation log has no gap, and that nothing that it revokes is in use. */
export async function checkEntries(options: ReadOptions, known: KnownPrincipals): Promise<void> {
  const { faults } = options
  let before: number | undefined
  for await (const { name, record } of entriesIn(options)) {
    const about = `revocation ${name}`
    if (Number(name) !== record.seq) faults.add(about, `the record says that it is entry ${record.seq}`)
    if (before !== undefined && record.seq !== before + 1) {
      faults.add(about, `the entries after ${before} are missing: services refuse such a log`, CLEAR)
    }
    before = record.seq
    checkEntry(options, known, about, record)
  }
}

function checkEntry(
  { faults }: ReadOptions,
  known: KnownPrincipals,
  about: string,
  entry: RevocationEntry,
): void {
  if (entry.keepUntil < entry.time) faults.add(about, 'it was outdated before it was made', CLEAR)
  const { principal } = entry
  const owner = principal === null ? undefined : known.get(principal)
  if (principal === null || owner === undefined) return
  const again = `orthrus admin revoke ${entry.kind === 'key' ? 'key' : 'client'} ${principal}`
  const revoked = entry.kind === 'client' ? toHex(entry.by) : undefined
  if (revoked === owner.series) {
    faults.add(about, `it revokes the tickets that ${principal} gets now`, `revoke them again: ${again}`)
  }
  if (entry.kind === 'key' && owner.lowestKvno <= entry.by) {
    faults.add(
      about,
      `it revokes key ${entry.by} of ${principal}, which is in use`,
      `revoke it again: ${again}`,
    )
  }
}

import type { RotationPosition, RotationStep } from '../../shared/administration/master-key.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Planned } from '../realm/realm-writer.js'
import { RECORD_KIND, type RecordKind } from '../store/store.js'
import type { Vault } from '../vault/vault.js'

/**
 * Gives a realm another master key while it is in use, step by step. From the first step on everything is sealed under
 * the new key and opened under both; each further step seals a few records again; the last one makes sure that none is
 * left, has the store drop what was replaced, and forgets the key before. A rotation that stops anywhere goes on with
 * the next call, after a restart too.
 */

/** Records that are sealed again in one commit. */
const PAGE = 200

const KINDS: readonly RecordKind[] = Object.values(RECORD_KIND)

export interface RotationContext {
  readonly vault: Vault
  /** Makes changes one after another. */
  readonly change: <T>(plan: () => Promise<Planned<T>>) => Promise<T>
}

/**
 * @param position where the last step ended; null to begin, or to go on with what was begun
 * @throws OrthrusError `malformed` if the master key is kept where the KDC cannot change it, `unavailable`
 */
export function rotateMasterKey(
  context: RotationContext,
  position: RotationPosition | null,
): Promise<RotationStep> {
  const { vault, change } = context
  return change(async () => {
    if (position === null) {
      await vault.beginRotation()
      return { changes: [], effect: 'grants', result: { next: [KINDS[0] ?? '', ''], sealed: 0, kept: null } }
    }
    // Another administrator has finished it.
    if (vault.keys.previous === undefined)
      return { changes: [], effect: 'grants', result: { next: null, sealed: 0, kept: null } }
    return position[0] === END ? finish(vault) : sealAgain(vault, position)
  })
}

/** The position behind all records. */
const END = ''

async function sealAgain(vault: Vault, [kind, after]: RotationPosition): Promise<Planned<RotationStep>> {
  const index = (KINDS as readonly string[]).indexOf(kind)
  const known = KINDS[index]
  if (known === undefined) throw new OrthrusError('malformed', 'no kind of record')
  const page = await vault.listSealed(known, after === '' ? { limit: PAGE } : { after, limit: PAGE })
  const changes = page
    .filter(({ under }) => under === 'previous')
    .map(({ name, version, fields }) => ({ kind: known, name, expected: version, fields }))
  const last = page.at(-1)?.name
  const next: RotationPosition =
    page.length < PAGE || last === undefined ? [KINDS[index + 1] ?? END, ''] : [known, last]
  return { changes, effect: 'grants', result: { next, sealed: changes.length, kept: null } }
}

/** What a step looks at is not taken on trust from the one before. */
async function finish(vault: Vault): Promise<Planned<RotationStep>> {
  for (const kind of KINDS) {
    const left = await firstUnderPrevious(vault, kind)
    if (left !== undefined)
      return { changes: [], effect: 'grants', result: { next: [kind, left], sealed: 0, kept: null } }
  }
  const kept = await vault.endRotation()
  return { changes: [], effect: 'grants', result: { next: null, sealed: 0, kept: kept ?? null } }
}

/** The name before the first record that is still under the key before; '' if it is the first of all. */
async function firstUnderPrevious(vault: Vault, kind: RecordKind): Promise<string | undefined> {
  for (let after = ''; ; ) {
    const page = await vault.listSealed(kind, after === '' ? { limit: PAGE } : { after, limit: PAGE })
    const index = page.findIndex(({ under }) => under === 'previous')
    if (index >= 0) return page[index - 1]?.name ?? after
    if (page.length < PAGE) return undefined
    after = page.at(-1)?.name ?? ''
  }
}

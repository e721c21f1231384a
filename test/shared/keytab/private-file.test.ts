import { describe, expect, it } from 'vitest'
import {
  KEYTAB_FILE,
  MASTER_KEY_FILE,
  requirePrivate,
  unopened,
} from '../../../shared/keytab/private-file.js'

/** The one rule for files that hold keys, as a table: no test must be root, or have a second user, to see it. */

const KINDS = [KEYTAB_FILE, MASTER_KEY_FILE]
const [ME, OTHER, ROOT] = [1000, 1001, 0]

function judge(
  kind: (typeof KINDS)[number],
  facts: { mode?: number; uid?: number },
  user?: number,
  allow = false,
) {
  const file = { mode: 0o100600, uid: ME, size: 100, isFile: () => true, ...facts }
  try {
    requirePrivate(kind, '/keys/a', file, user, { allowReadable: allow })
    return 'accepted'
  } catch (error) {
    return (error as Error).message
  }
}

describe.each(KINDS.map(kind => [kind.name, kind] as const))('a file with a %s', (name, kind) => {
  it.each([
    ['of the reader', ME, ME, true],
    ['of root', ME, ROOT, true],
    ['of another user', ME, OTHER, false],
    ['of another user, where root reads it', ROOT, ME, false],
    ['of root, where root reads it', ROOT, ROOT, true],
  ])('%s', (_, user, uid, good) => {
    for (const allow of [false, true]) {
      const said = judge(kind, { uid }, user, allow)
      if (good) expect(said).toBe('accepted')
      else
        expect(said).toMatch(
          new RegExp(`the ${name} /keys/a belongs to another user \\(uid ${uid}\\).*chown ${user} `),
        )
    }
  })

  it.each([0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o660, 0o777])(
    'of mode %o needs the option, which lets nobody else write it',
    mode => {
      const said = judge(kind, { mode: 0o100000 | mode }, ME)
      expect(said).toContain(`can be read or changed by others (mode ${mode.toString(8)})`)
      expect(said).toContain(
        `chmod 600 /keys/a; where a container mounts it like this: ${kind.wayOut?.flag}, or ${kind.wayOut?.option}`,
      )
      const allowed = judge(kind, { mode: 0o100000 | mode }, ME, true)
      if ((mode & 0o022) === 0) expect(allowed).toBe('accepted')
      else
        expect(allowed).toContain(
          `can be changed by others (mode ${mode.toString(8)}) (whoever writes it chooses the key`,
        )
    },
  )

  it.each([0o600, 0o400])('of mode %o is accepted', mode => {
    expect(judge(kind, { mode: 0o100000 | mode }, ME)).toBe('accepted')
  })

  it('is checked for neither mode nor owner on Windows, which has none', () => {
    expect(judge(kind, { mode: 0o100666, uid: 0 }, undefined)).toBe('accepted')
  })

  it.each([
    ['ENOENT', false, /does not exist/],
    [
      'ELOOP',
      false,
      /is a symbolic link \(name the file itself; where a container mounts it like this: --allow/,
    ],
    ['ELOOP', true, /cannot be opened: ELOOP/],
    [
      'EACCES',
      false,
      /cannot be opened: EACCES \(the user who runs this may not read it, or may not enter a folder/,
    ],
    ['EIO', true, /cannot be opened: EIO/],
  ])('that cannot be opened (%s) says why', (code, allowReadable, said) => {
    const { message } = unopened(kind, '/keys/a', code, { allowReadable }, new Error(code))
    expect(message).toMatch(said)
    expect(message).toContain(`the ${name} /keys/a`)
  })
})

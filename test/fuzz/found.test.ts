import { afterAll, describe, expect, it } from 'vitest'
import { decode, encode, type Value } from '../../shared/encoding/encoding.js'
import { hex, vectors } from '../vectors.js'
import { judge } from './engine.js'
import { cliEntries } from './entries/cli.js'
import { clientEntries } from './entries/client.js'
import { kdcChannelEntries } from './entries/kdc-channel.js'
import { messageEntries } from './entries/messages.js'
import { storeEntries } from './entries/store.js'
import { textEntries } from './entries/texts.js'
import { type Entry, ofText } from './entry.js'

/** What was found once, by name, so that it does not come back. */

const cli = cliEntries()
const store = await storeEntries()
const entries: readonly Entry[] = [
  ...messageEntries,
  ...textEntries,
  ...(await kdcChannelEntries()),
  ...clientEntries(),
  ...cli.entries,
  ...store.entries,
]

afterAll(() => {
  cli.end()
  store.end()
})

function outcomeOf(name: string, input: Uint8Array): Promise<object> {
  const entry = entries.find(each => each.name === name)
  if (entry === undefined) throw new Error(`no entry ${name}`)
  return judge(entry, input)
}

const few: Value[] = new Array<Value>(27_000).fill('')
const many: Value[] = new Array<Value>(36_000).fill('')
const text = (line: string): Uint8Array => ofText(`# orthrus keytab 1\n${line}\n`)[0] as Uint8Array

/** The vector's credential with another caveat. */
function importedWith(caveat: Uint8Array): Uint8Array {
  const { handOff } = vectors<{ handOff: { array: string } }>('texts')
  const [ticket, , ...rest] = decode(hex(handOff.array))
  return encode([ticket as Value, [caveat], ...rest])
}

// What is dear is measured again and again, on a machine that may be busy.
describe('found by fuzzing', { timeout: 120_000 }, () => {
  it.each<[what: string, entry: string, input: Uint8Array, outcome: string]>([
    [
      'an ERROR of the KDC with very many empty lists was read twice',
      "client: a KDC's answer as it comes",
      Uint8Array.of(1, 5, ...encode(['', 1, 'auth_failed', ...new Array<Value>(19_000).fill([])])),
      'malformed',
    ],
    [
      'a refusal of the KDC with more behind its message was taken, and came out without it',
      'call and answer of the KDC',
      encode([2, 'policy_denied', 'why', 'more']),
      'taken malformed',
    ],
    [
      'a call with very many small arguments was copied three times over',
      'call and answer of the KDC',
      encode([1, 'show', ...few]),
      'taken malformed',
    ],
    [
      'an answer with very many small results was copied three times over',
      'call and answer of the KDC',
      encode([1, null, ...few]),
      'malformed taken',
    ],
    [
      'an answer with very many lists for results was copied twice more before they were counted',
      'client: the results of administration',
      encode([1, null, 1, new Uint8Array(32), ...new Array<Value>(8_150).fill([null])]),
      // By the decoder of each method.
      expect.stringMatching(/^malformed( malformed)*$/),
    ],
    [
      'a rule with very many empty paths was written as a caveat before it was refused',
      'KDC: a call of an administrator',
      encode([9, 'deny', 'web@demo.example', 'orders@demo.example', 'deny', [], null, null, many, true]),
      'malformed',
    ],
    [
      'each claim of very many copied all that came before it',
      'command line: the values of options',
      ofText('a=1\n'.repeat(4_000).trimEnd())[0] as Uint8Array,
      'mistake taken mistake taken mistake mistake mistake mistake mistake mistake taken mistake mistake mistake mistake mistake mistake mistake mistake taken taken',
    ],
    [
      'a line of a keytab that is nothing but spaces became a list of as many texts',
      'keytab',
      text(`orders@demo.example${' '.repeat(26_000)}`),
      'keytab_invalid',
    ],
    [
      'a keytab of very many short lines became a list of them all',
      'keytab',
      text('#\n'.repeat(14_000)),
      'keytab_invalid',
    ],
    [
      'a credential with a caveat of no form was refused as if a request had failed',
      'client: a credential to be imported',
      importedWith(Uint8Array.of(0x91, 0xa1, 0x78)),
      'credential_invalid',
    ],
    [
      'a revocation numbered 0 of the last version was read, and could not be written in the new form',
      'store: the records that a realm is opened by',
      encode([
        encode([1, 'demo.example', new Uint8Array(32), 0, 0, 0, 1]),
        encode([1, 5]),
        encode([1, 0, 'client', 'web@demo.example', 1, null, 2]),
      ]),
      'unavailable',
    ],
  ])('%s', async (_, entry, input, outcome) => {
    expect(await outcomeOf(entry, input)).toEqual({ outcome })
  })
})

import { expect, it, vi } from 'vitest'
import { KeyFile } from '../../service/key-file.js'
import { ServiceKeys } from '../../service/keys.js'
import { LongTermKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { OrthrusError } from '../../shared/errors.js'
import { formatKeytab } from '../../shared/keytab/keytab.js'
import { parsePrincipal } from '../../shared/principal.js'
import { TestClock } from '../support/clock.js'

/** A keytab that is read while this process changes it (docs/protocol.md section 12). */

const { reads } = vi.hoisted(() => ({ reads: [] as ((text: string) => void)[] }))
vi.mock('../../shared/keytab/keytab-file.node.js', async original => ({
  ...(await original<object>()),
  readKeytabFile: () => new Promise<string>(resolve => reads.push(resolve)),
}))

const service = parsePrincipal('orders@demo.example')
const [third, second, first] = [3, 2, 1].map(kvno => ({
  principal: service,
  kvno,
  key: new LongTermKey(systemRandom(32)),
})) as [Entry, Entry, Entry]
type Entry = { readonly principal: typeof service; readonly kvno: number; readonly key: LongTermKey }

it('brings no key back that was erased while it was read, and finds one that was added', async () => {
  const clock = new TestClock()
  const keys = new ServiceKeys([second, first])
  const report = vi.fn()
  const file = new KeyFile({
    ...{ path: '/orders.keytab', allowReadableKeytab: false, service, keys, locks: undefined },
    ...{ clock, timers: clock, report, onLocked: async () => {} },
  })
  const refusal = new OrthrusError('ticket_invalid', 'no such key', { service, kvno: 3 })
  const found = file.hasKeyFor(refusal)
  file.take([second])
  reads[0]?.(formatKeytab([second, first]))
  await vi.waitFor(() => expect(reads).toHaveLength(2))
  expect(keys.kvnos).toEqual([2])
  reads[1]?.(formatKeytab([third, second]))
  expect(await found).toBe(true)
  expect(keys.kvnos).toEqual([3, 2])
  expect(report).not.toHaveBeenCalled()
})

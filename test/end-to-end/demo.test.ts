import { expect, it } from 'vitest'
import { hasEtcd } from '../support/etcd.js'
import { root, run } from './processes.js'

const slow = process.env.ORTHRUS_SLOW === '1'

it('the demonstration does everything that it says, and ends', async () => {
  const { code, out, err } = await run(process.execPath, ['dist/examples/demo/demo.js'], root)
  expect({ code, err }).toEqual({ code: 0, err: '' })
  for (const told of [
    /web proved itself to orders/,
    /orders proved itself to web/,
    /replay/,
    /tampered body/,
    /fake service/,
  ]) {
    expect(out).toMatch(told)
  }
  expect(out.trim().split('\n').at(-1)).toBe('All of it happened as it should.')
})

it.runIf(slow && hasEtcd)(
  'the demonstration of several KDCs does everything that it says, and ends',
  async () => {
    const { code, out, err } = await run(process.execPath, ['dist/examples/demo/cluster.js'], root)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    for (const told of [
      /three KDCs serve it/,
      /the KDC at \S+ is killed: \d+ calls, none failed; \d+ new tickets/,
      /which leads etcd, is killed too: \d+ calls, none failed; \d+ new tickets/,
      /both KDCs that are left refuse it/,
    ]) {
      expect(out).toMatch(told)
    }
    expect(out.trim().split('\n').at(-1)).toBe('All of it happened as it should.')
  },
)

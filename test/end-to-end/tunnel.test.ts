import { expect, it } from 'vitest'
import { hasRedis } from '../support/redis.js'
import { root, run } from './processes.js'

/** The commands themselves, in their own processes, each with a Redis of Debian's. */
it.skipIf(process.env.ORTHRUS_SLOW !== '1' || !hasRedis)(
  'the demonstration of the tunnel does all that it says',
  async () => {
    const { code, out, err } = await run(process.execPath, ['dist/examples/demo/tunnel.js'], root)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    for (const told of [
      /GET says the-launch-code/,
      /none of these words/,
      /policy_denied/,
      /INCR says 1 before, and 2/,
    ]) {
      expect(out).toMatch(told)
    }
    expect(out.trim().split('\n').at(-1)).toBe('All of it happened as it should.')
  },
)

import { expect, it } from 'vitest'
import { root, run } from './processes.js'

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

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { asLoginMessage } from '../../../client/kept-login/login-messages.js'

const QUESTION = 'ab'.repeat(16)

it.each([
  { ask: QUESTION },
  { answers: QUESTION, login: '# orthrus login 1\n' },
  { ended: 'ann@demo.example' },
])('hears %j', message => {
  expect(asLoginMessage(message)).toEqual(message)
})

it.each([
  [undefined],
  [{ ask: '' }],
  [{ ask: 'AB'.repeat(16) }],
  [{ answers: QUESTION }],
  [{ answers: QUESTION, login: 'x'.repeat(1024 * 1024 + 1) }],
  [{ ended: 'ann' }],
  [{ ended: ['ann@demo.example'] }],
])('does not hear %j', message => {
  expect(asLoginMessage(message)).toBeUndefined()
})

it('throws at nothing', () => {
  const odd = fc.record({
    ask: fc.anything(),
    answers: fc.anything(),
    login: fc.anything(),
    ended: fc.anything(),
  })
  fc.assert(fc.property(fc.oneof(fc.anything(), odd), data => void asLoginMessage(data)))
})

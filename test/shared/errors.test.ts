import { expect, it, vi } from 'vitest'
import { OrthrusError } from '../../shared/errors.js'

it('an error of one copy of the class is one of each other copy, as bundles and builds have their own', async () => {
  vi.resetModules()
  const { OrthrusError: Copy } = await import('../../shared/errors.js')
  expect(Copy).not.toBe(OrthrusError)
  const [own, copied] = [new OrthrusError('unavailable', 'own'), new Copy('unavailable', 'copied')]
  for (const error of [own, copied]) {
    expect([error instanceof OrthrusError, error instanceof Copy, error instanceof Error]).toEqual([
      true,
      true,
      true,
    ])
  }
  expect(copied).toMatchObject({ code: 'unavailable', reason: 'copied', name: 'OrthrusError' })
})

it('a class that extends it has only its own instances', () => {
  class Special extends OrthrusError {}
  const [plain, special] = [new OrthrusError('unavailable', 'own'), new Special('unavailable', 'special')]
  expect([plain instanceof Special, special instanceof Special, special instanceof OrthrusError]).toEqual([
    false,
    true,
    true,
  ])
})

it.each([
  ['another error', new Error('unavailable: own')],
  ['what has come as JSON', JSON.parse(JSON.stringify(new OrthrusError('unavailable', 'own')))],
  ['what has all fields of one', { ...new OrthrusError('unavailable', 'own') }],
  ['nothing', undefined],
  ['null', null],
  ['text', 'orthrus.OrthrusError'],
])('%s is no OrthrusError', (_, value) => {
  expect(value instanceof OrthrusError).toBe(false)
})

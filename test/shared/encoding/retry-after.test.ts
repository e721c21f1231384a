import { describe, expect, it } from 'vitest'
import { formatRetryAfter, parseRetryAfter } from '../../../shared/encoding/retry-after.js'

describe('when to ask again', () => {
  it.each([
    [0, 1_000],
    [1, 1_000],
    [1_000, 1_000],
    [1_001, 2_000],
    [59_999, 60_000],
    [999_999_000, 999_999_000],
  ])('%i ms travel as %i', (wait, read) => {
    expect(parseRetryAfter(formatRetryAfter(wait))).toBe(read)
  })

  it.each([
    '',
    'retry after 0 s',
    'retry after 1 ms',
    'retry after 1e9 s',
    'retry after -1 s',
    'retry after 1234567 s',
    ' retry after 1 s',
    'retry after 1 s\n',
  ])('is not in %j', message => {
    expect(parseRetryAfter(message)).toBeUndefined()
  })
})

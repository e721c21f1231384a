import { expect, it, vi } from 'vitest'
import { ownerLogger } from '../../../client/report/owner-logger.js'

it('the owner of a page without a logger is shown warnings and errors, once what shows them is loaded', async () => {
  const shown = vi.spyOn(console, 'error').mockImplementation(() => {})
  ownerLogger.debug({ a: 1 }, 'debug')
  ownerLogger.info({ a: 1 }, 'info')
  ownerLogger.warn({ secret: 'orthruskey1_AAAA' }, 'something is odd')
  ownerLogger.error({ left: 3 }, 'it failed')
  await expect
    .poll(() => shown.mock.calls)
    .toEqual([
      ['orthrus client warning: something is odd secret="orthruskey1_..."'],
      ['orthrus client error: it failed left=3'],
    ])
})

import { describe, expect, it } from 'vitest'
import { explainFailure } from '../../../../kdc/store/level/failure.js'

describe('a failure of the database', () => {
  it.each([
    ["EACCES: permission denied, scandir 'db'", 'owner and mode'],
    ["EROFS: read-only file system, mkdtemp 'db'", 'how the disk is mounted'],
    ['IO error: db/LOCK: Permission denied', 'owner and mode'],
    ['IO error: db/000007.log: Read-only file system', 'how the disk is mounted'],
    ['IO error: db/000007.log: No space left on device', 'the disk is full'],
  ])('%s: what to do', (text, advice) => {
    const told = explainFailure('db', 'cannot be opened', new Error(text))
    expect(told).toMatchObject({ code: 'unavailable', facts: { hint: expect.stringContaining(advice) } })
    expect(told.reason).toBe(`the database in db cannot be opened: ${text}`)
  })

  it('is not explained by the name of its folder', () => {
    const told = explainFailure('/data/EACCES', 'cannot be opened', new Error('IO error: Input/output error'))
    expect(told.facts.hint).toBeUndefined()
  })
})

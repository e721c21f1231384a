import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { writeSavedFeed } from '../../../service/feed/feed-file.js'
import { temporaryFolder } from '../../end-to-end/processes.js'
import { loadService } from '../../support/load-service.js'
import { keytab, ORDERS } from '../realm.js'

describe('the options of loadService for the feed', () => {
  const kdc = 'ws://127.0.0.1:9'

  it.each([
    [{ maxStaleness: '10m' }, 'maxStaleness of loadService needs kdc'],
    [{ feedFile: 'feed' }, 'feedFile of loadService needs kdc'],
    [{ startWithoutFeed: false }, 'startWithoutFeed of loadService needs kdc'],
    [{ kdc: 'http://127.0.0.1:9' }, 'not the URL of a KDC'],
    [{ kdc: [] }, 'name the KDC'],
    [{ kdc: 5 }, 'kdc is the URL of a KDC, or a list of such'],
    [{ kdc: [kdc, 5] }, 'kdc is the URL of a KDC, or a list of such'],
    [{ kdc, feedFile: '/nowhere/at/all/feed' }, 'the folder /nowhere/at/all exists'],
    [{ kdc, maxStaleness: '10 minutes' }, 'maxStaleness is a duration'],
    [{ kdc, maxStaleness: 600_000 }, 'maxStaleness is a duration'],
    [{ kdc, maxRevocations: 0 }, 'maxRevocations is a whole number from 1'],
    [{ kdc, startWithoutFeed: 'yes' }, 'startWithoutFeed is true or false'],
    [{ kdc, feedFile: '' }, 'feedFile is the path of a file'],
    [{ kdc, feedfile: 'feed' }, 'did you mean "feedFile"?'],
  ])('refuse what cannot be meant so: %j', async (options, message) => {
    await expect(loadService({ keytab, service: 'orders', ...options } as never)).rejects.toThrow(message)
  })
  it.each([
    { maxRevocations: 0 },
    { maxRevocations: 1.5 },
    { maxRevocations: '9' },
    { maxStaleness: '10 minutes' },
    { kdc: 'http://127.0.0.1:9' },
    { replayCache: { maxBytes: 1 } },
    { ticketCache: { entries: 0 } },
    { rotation: 'never' },
  ])('leave what the last end saved, if they are refused: %j', async options => {
    const { folder, remove } = await temporaryFolder()
    onTestFinished(remove)
    const feedFile = join(folder, 'feed')
    await writeSavedFeed(feedFile, {
      service: ORDERS,
      sent: 1,
      outage: 0,
      lastKvno: 0,
      position: null,
      logs: [],
    })
    const before = await readFile(feedFile, 'utf8')
    const given = { keytab, service: 'orders', kdc, feedFile, ...options }
    await expect(loadService(given as never)).rejects.toThrow(TypeError)
    expect(await readFile(feedFile, 'utf8')).toBe(before)
  })
})

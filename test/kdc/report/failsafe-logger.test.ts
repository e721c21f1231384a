import { describe, expect, it } from 'vitest'
import { LongTermKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { openUnauthenticatedError } from '../../../shared/encoding/error.js'
import { type Logger, silentLogger } from '../../../shared/logger.js'
import { HandClient, outcome } from '../../attacks/by-hand.js'
import { startOwnKdc } from '../../support/own-kdc.js'
import { TestChannel } from '../socket.js'

const fails = (): never => {
  throw new Error('no space left on device')
}
const throwing: Logger = { debug: fails, info: fails, warn: fails, error: fails }

const rejects = async (): Promise<never> => fails()
const rejecting: Logger = { debug: rejects, info: rejects, warn: rejects, error: rejects }

/** What a KDC answers in cases in which it would log. */
async function answersWith(logger: Logger): Promise<unknown[]> {
  const own = await startOwnKdc({ logger, limits: { connections: 3 } })
  const web = await own.add('web')
  const client = await HandClient.connect(own.kdc.url, web, own.clock)
  const guesser = await HandClient.connect(
    own.kdc.url,
    { ...web, key: new LongTermKey(systemRandom(32)) },
    own.clock,
  )
  const admin = await HandClient.connect(own.kdc.url, own.admin, own.clock)
  const [tgt] = await client.grants()
  const time = own.clock.now()
  const channel = await TestChannel.open(admin.socket, 99, await admin.ticket('kdc'), { time })
  return [
    outcome(await client.login()),
    outcome(await client.tgs(tgt)),
    outcome(await guesser.login()),
    openUnauthenticatedError(await client.socket.ask(7, new Uint8Array(9))).code,
    await channel.call('disable', ['web@test.example']),
    outcome(await client.login()),
    await channel.call('show', ['nobody@test.example']),
    await HandClient.connect(own.kdc.url, web, own.clock).then(() => 'in the place of the guesser'),
    outcome(await client.tgs(tgt)),
  ]
}

describe('a KDC whose logger fails', () => {
  it.each([
    ['by throwing', throwing],
    ['by rejecting', rejecting],
  ])('%s answers as usual, and ends in order', async (_, logger) => {
    const answers = await answersWith(logger)
    expect(answers).toEqual(await answersWith(silentLogger))
    expect(answers).toContain('06 principal_disabled')
  })
})

import { describe, expect, it } from 'vitest'
import { startKdc } from '../../kdc/main.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { createAsRequest, openAsReply } from '../../shared/protocol/as.js'
import { local, testRealm } from './realm.js'
import { TestChannel, TestSocket } from './socket.js'

describe('a running KDC', () => {
  it('serves logins and administration over one connection', async () => {
    const { store, masterKey, clock, admin } = await testRealm()
    const kdc = await startKdc({ store, masterKey, clock, listen: { port: 0 } })
    const socket = await TestSocket.open(kdc.url)
    const request = createAsRequest(admin.key, {
      client: admin.principal,
      kvno: admin.kvno,
      time: clock.time,
      nonce: systemRandom(16),
      services: [local('kdc')],
      lifetime: 0,
      renewable: false,
    })
    const { grants } = openAsReply(admin.key, request, await socket.ask(1, request.bytes))
    const [, grant] = grants
    if (grant === undefined) throw new Error('denied')
    const channel = await TestChannel.open(socket, 2, grant, { time: clock.time })
    expect(await channel.call('add', [local('web'), null, null, null, null])).toMatchObject({
      results: [1, expect.any(Uint8Array)],
    })
    expect(await channel.call('list', [null, 10])).toMatchObject({
      results: [
        [
          { 0: 'admin@demo.example' },
          { 0: 'kdc@demo.example' },
          { 0: 'krbtgt@demo.example' },
          { 0: 'web@demo.example' },
        ],
      ],
    })
    expect(await channel.call('remove', [local('admin')])).toMatchObject({ code: 'not_authorized' })
    socket.close()
    await kdc.close()
  })
})

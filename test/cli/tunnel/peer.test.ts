import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { findUser, KNOWS_PEERS, sharing, userOfPeer } from '../../../cli/tunnel/peer.js'
import { userRule } from '../../../cli/tunnel/user-rule.js'

/** Whose a connection over the loopback is. */

async function pair(host: string, to = host): Promise<[client: Socket, served: Socket]> {
  const server = createServer({ allowHalfOpen: true }).listen(0, host)
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const client = connect((server.address() as AddressInfo).port, to)
  const [served] = (await once(server, 'connection')) as [Socket]
  for (const socket of [client, served]) {
    socket.on('error', () => {})
    onTestFinished(() => void socket.destroy())
  }
  return [client, served]
}

/** A table as Linux on a small-endian machine has it. */
const TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1
   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     7        0 2 1
   2: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 3 1
   3: 0100007F:C351 0100007F:1F90 06 00000000:00000000 03:000017B0 00000000     0        0 0 3
   4: 0000000000000000FFFF00000100007F:C352 0000000000000000FFFF00000100007F:1F90 01 00000000:00000000 00:00000000 00000000  1002        0 3 1
   5: 00000000000000000000000001000000:C353 00000000000000000000000001000000:1F90 01 00000000:00000000 00:00000000 00000000  1003        0 3 1
   6: 0100007F:C356 0100007F:1F90 05 00000000:00000000 00:00000000 00000000  1004        0 3 1
   7: 0100007F:C357 0100007F:1F90 05 00000000:00000000 00:00000000 00000000     0        0 0 1
`

describe.runIf(KNOWS_PEERS)('the user of a connection', () => {
  it.each([
    ['over IPv4', '127.0.0.1', 50_000, 1000],
    ['that is ending, of which the table says root', '127.0.0.1', 50_001, undefined],
    ['that its program has half ended', '127.0.0.1', 50_006, 1004],
    ['that its program has left, of which the table says root', '127.0.0.1', 50_007, undefined],
    ['over IPv4 from a socket of IPv6', '127.0.0.1', 50_002, 1002],
    ['over IPv6', '::1', 50_003, 1003],
    ['that is not there', '127.0.0.1', 50_004, undefined],
    ['of an address that is not of the loopback', '10.0.0.1', 50_000, undefined],
  ])('%s', (_, address, port, user) => {
    expect(findUser(TABLE, address, port, address, 8080)).toBe(user)
  })

  it('is who runs this, on real connections', async () => {
    for (const [host, to] of [['127.0.0.1'], ['::1'], ['::', '127.0.0.1']] as const) {
      const [, served] = await pair(host, to)
      expect([host, await userOfPeer(served)]).toEqual([host, process.getuid?.()])
    }
  })

  it('is known where its program has ended one direction', async () => {
    const [client, served] = await pair('127.0.0.1')
    client.end()
    await once(served.resume(), 'end')
    expect(await userOfPeer(served)).toBe(process.getuid?.())
  })

  it('is not known once the other end has gone', async () => {
    const [client, served] = await pair('127.0.0.1')
    client.destroy()
    await once(served.resume(), 'end')
    expect(await userOfPeer(served)).toBe(undefined)
  })

  it('is let through if it is named, and refused if not, or if nobody can tell', async () => {
    const [, served] = await pair('127.0.0.1')
    const own = process.getuid?.() ?? -1
    expect(await userRule([own])(served)).toBe(undefined)
    expect(await userRule([own + 1])(served)).toContain(`user ${own} `)
    for (const lost of [async () => undefined, async () => Promise.reject(new Error('no table'))])
      expect(await userRule([own], lost)(served)).toContain('nobody can tell')
  })
})

it('reads a table once for all that came before it began, and again for those that came after', async () => {
  const begun: ((table: string) => void)[] = []
  const read = sharing(() => new Promise(resolve => begun.push(resolve)))
  const first = read('a')
  const others = [read('a'), read('a'), read('a')]
  expect(begun.length).toBe(1)
  begun[0]?.('old')
  expect(await first).toBe('old')
  await expect.poll(() => begun.length).toBe(2)
  const late = read('a')
  begun[1]?.('new')
  expect(await Promise.all(others)).toEqual(['new', 'new', 'new'])
  await expect.poll(() => begun.length).toBe(3)
  begun[2]?.('newest')
  expect(await late).toBe('newest')
  void read('a')
  void read('b')
  expect(begun.length).toBe(5)
})

import { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import { describe, expect, it } from 'vitest'
import type { WebSocket } from 'ws'
import type { ChannelOpener, Opened } from '../../../kdc/channel/channel-opener.js'
import { DEFAULT_LIMITS, type Limits } from '../../../kdc/limits/defaults.js'
import { Connection } from '../../../kdc/transport/connection.js'
import type { AcceptedChannel } from '../../../shared/channel/accepted-channel.js'
import { TYPE, VERSION } from '../../../shared/constants.js'
import { isError, openUnauthenticatedError } from '../../../shared/encoding/error.js'
import { decodeFrame, encodeFrame, type Frame } from '../../../shared/encoding/frame.js'
import { ADDRESS, testRealm } from '../../support/realm.js'
import { turns } from '../../support/turns.js'

/** One connection without a socket, whose channels open when the test lets them. */

class FakeSocket extends EventEmitter {
  readonly bufferedAmount = 0
  readonly isPaused = false
  readonly sent: Frame[] = []

  send(bytes: Uint8Array, done: () => void): void {
    this.sent.push(decodeFrame(bytes) as Frame)
    done()
  }
  close(): void {
    this.emit('close')
  }
  terminate(): void {
    this.close()
  }
  pause(): void {}
  resume(): void {}
  ping(): void {}
}

interface Opening {
  settle(): void
  fail(cause: Error): void
  closed: number
}

async function scene(limits: Partial<Limits> = {}) {
  const { context, dispatch } = await testRealm()
  const openings: Opening[] = []
  const open = (): Promise<Opened> =>
    new Promise((resolve, reject) => {
      const opening: Opening = {
        closed: 0,
        settle: () => resolve({ reply: Uint8Array.of(VERSION, TYPE.AP_ACCEPT), channel }),
        fail: reject,
      }
      const end = (): void => void opening.closed++
      const channel = {
        isOver: false,
        close: end,
        end,
        receive: async () => {},
      } as unknown as AcceptedChannel
      openings.push(opening)
    })
  const socket = new FakeSocket()
  const connection = new Connection({
    ...{ address: ADDRESS, context, dispatch, limits: { ...DEFAULT_LIMITS, ...limits } },
    socket: socket as unknown as WebSocket,
    stream: { cork: () => {}, uncork: () => {} } as unknown as Duplex,
    opener: { open } as unknown as ChannelOpener,
    onProved: () => {},
    onClosed: () => {},
  })
  const ask = (id: number): void => {
    const frame = encodeFrame({ id, message: Uint8Array.of(VERSION, TYPE.AP_OPEN, 0x90) })
    socket.emit('message', Buffer.from(frame), true)
  }
  const answerTo = (id: number): string | undefined => {
    const message = socket.sent.find(frame => frame.id === id)?.message
    if (message === undefined) return undefined
    return isError(message) ? openUnauthenticatedError(message).code : 'accepted'
  }
  return { socket, connection, openings, ask, answerTo }
}

describe('a channel that is being opened', () => {
  it('is closed if its connection closed before it was open', async () => {
    const { socket, openings, ask } = await scene()
    ask(1)
    await turns()
    socket.close()
    expect(openings.map(({ closed }) => closed)).toEqual([0])
    openings[0]?.settle()
    await turns()
    expect(openings.map(({ closed }) => closed)).toEqual([1])
  })

  it('is closed if the KDC began to close before it was open', async () => {
    const { connection, openings, ask } = await scene()
    ask(1)
    await turns()
    const drained = connection.drain()
    openings[0]?.settle()
    await drained
    expect(openings.map(({ closed }) => closed)).toEqual([1])
  })

  it('counts towards the channels that its connection may have', async () => {
    const { openings, ask, answerTo } = await scene({ channels: 2 })
    for (const id of [1, 2, 3]) ask(id)
    await turns()
    expect(openings).toHaveLength(2)
    expect([1, 2, 3].map(answerTo)).toEqual([undefined, undefined, 'rate_limited'])
    for (const opening of openings) opening.settle()
    await turns()
    ask(4)
    await turns()
    expect([1, 2, 4].map(answerTo)).toEqual(['accepted', 'accepted', 'rate_limited'])
  })

  it('cuts its connection if opening fails, and no longer counts', async () => {
    const { socket, openings, ask, answerTo } = await scene({ channels: 1 })
    let cut = 0
    socket.on('close', () => cut++)
    ask(1)
    await turns()
    openings[0]?.fail(new Error('boom'))
    await turns()
    expect([cut, answerTo(1)]).toEqual([1, undefined])
  })
})

import { EventEmitter } from 'node:events'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { expect, it, vi } from 'vitest'
import { unlessGone } from '../../../service/node-http/connection-end.js'

/** A request and its response, as a server makes them that has no connection, if `socket` is undefined. */
function exchange(socket: Socket | undefined) {
  const req = new IncomingMessage(socket as Socket)
  const res = new ServerResponse(req)
  const run = vi.fn()
  return { req, res, run, over: unlessGone(req, res, run) }
}

it('is over when its connection is', () => {
  const socket = new Socket()
  const { run, over } = exchange(socket)
  socket.emit('close')
  expect(run).toHaveBeenCalledTimes(1)
  over()
  expect(run).toHaveBeenCalledTimes(1)
})

it('is over when its response is, where there is no connection', () => {
  const { res, run, over } = exchange(undefined)
  expect(run).not.toHaveBeenCalled()
  res.emit('close')
  expect(run).toHaveBeenCalledTimes(1)
  over()
  expect(run).toHaveBeenCalledTimes(1)
})

it('is over when its owner says so, and listens to a connection once', () => {
  const socket = new Socket()
  const before = EventEmitter.listenerCount(socket, 'close')
  for (let i = 0; i < 3; i++) {
    const { run, over } = exchange(socket)
    over()
    over()
    expect(run).toHaveBeenCalledTimes(1)
  }
  expect(EventEmitter.listenerCount(socket, 'close')).toBe(before + 1)
})

it('is over at once where the connection is already', () => {
  const socket = new Socket().destroy()
  expect(exchange(socket).run).toHaveBeenCalledTimes(1)
})

import { EventEmitter } from 'node:events'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { expect, it, vi } from 'vitest'
import { isOver, whenOver } from '../../../service/node-http/connection-end.js'

/** A request and its response, as a server makes them that has no connection, if `socket` is undefined. */
function exchange(socket: Socket | undefined) {
  const req = new IncomingMessage(socket as Socket)
  const res = new ServerResponse(req)
  const run = vi.fn()
  whenOver(req, res, run)
  return { req, res, run }
}

it('is over when its connection is', () => {
  const socket = new Socket()
  const { req, res, run } = exchange(socket)
  expect(isOver(req, res)).toBe(false)
  socket.destroy()
  expect(isOver(req, res)).toBe(true)
  socket.emit('close')
  res.emit('close')
  expect(run).toHaveBeenCalledTimes(1)
})

it('is over when its response is, where there is no connection', () => {
  const { req, res, run } = exchange(undefined)
  expect([isOver(req, res), run.mock.calls.length]).toEqual([false, 0])
  res.destroy()
  res.emit('close')
  expect(isOver(req, res)).toBe(true)
  expect(run).toHaveBeenCalledTimes(1)
})

it('listens to a connection once, and lets go what is over', () => {
  const socket = new Socket()
  const before = EventEmitter.listenerCount(socket, 'close')
  const runs = [1, 2, 3].map(() => {
    const { res, run } = exchange(socket)
    res.emit('close')
    expect(run).toHaveBeenCalledTimes(1)
    return run
  })
  expect(EventEmitter.listenerCount(socket, 'close')).toBe(before + 1)
  socket.emit('close')
  for (const run of runs) expect(run).toHaveBeenCalledTimes(1)
})

it('is over at once where the connection is already', () => {
  const socket = new Socket().destroy()
  expect(exchange(socket).run).toHaveBeenCalledTimes(1)
})

import { expect, it } from 'vitest'
import { handedSocket, serviceManager } from '../../cli/service-manager.js'
import { TestLogger } from '../support/logger.js'

it('a socket is handed over to this process alone, and there is one', () => {
  expect(handedSocket({ LISTEN_PID: '7', LISTEN_FDS: '1' }, 7)).toBe(3)
  const others = [{}, { LISTEN_PID: '8', LISTEN_FDS: '1' }, { LISTEN_FDS: '1' }]
  for (const env of others) expect(() => handedSocket(env, 7)).toThrow(/there are none .*ListenStream=/)
  expect(() => handedSocket({ LISTEN_PID: '7', LISTEN_FDS: '2' }, 7)).toThrow(/there are 2/)
})

it('nobody is told anything outside systemd', async () => {
  const logger = new TestLogger()
  const manager = serviceManager({ WATCHDOG_USEC: '1', PATH: '/nowhere' }, 7, logger)
  await manager.tell('READY=1')
  manager.close()
  expect(logger.lines).toEqual([])
})

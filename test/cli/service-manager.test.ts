import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { handedSocket, serviceManager } from '../../cli/service-manager.js'
import { TestClock } from '../support/clock.js'
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

it.skipIf(process.platform === 'win32')(
  'the program that tells of the watchdog is not started again while it runs',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'orthrus-notify-'))
    try {
      const told = join(folder, 'told')
      await writeFile(join(folder, 'systemd-notify'), `#!/bin/sh\necho "$1" >> ${told}\n`, { mode: 0o755 })
      const env = { NOTIFY_SOCKET: 'x', WATCHDOG_USEC: '2000000', PATH: folder }
      const clock = new TestClock()
      const manager = serviceManager(env, process.pid, new TestLogger(), clock)
      for (let i = 0; i < 20; i++) clock.advance(1_000)
      const beats = async (): Promise<number> => {
        const lines = await readFile(told, 'utf8').catch(() => '')
        return lines.split('\n').filter(line => line === 'WATCHDOG=1').length
      }
      await expect.poll(beats).toBe(1)
      await manager.tell('READY=1')
      expect(await beats()).toBe(1)
      await expect
        .poll(async () => {
          clock.advance(1_000)
          return beats()
        })
        .toBeGreaterThan(1)
      manager.close()
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
)

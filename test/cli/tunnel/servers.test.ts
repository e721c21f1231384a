import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { MINUTE } from '../../../shared/time.js'
import { type Ended, root, run, temporaryFolder } from '../../end-to-end/processes.js'
import { hasRedis, RedisServer } from '../../support/redis.js'
import { startTunnel } from './scene.js'

/** Real servers, as Debian has them, behind a tunnel, and their own clients in front of it. */

const slow = process.env.ORTHRUS_SLOW === '1'
const POSTGRES = '/usr/lib/postgresql/15/bin'
const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0
const hasPostgres = has(`${POSTGRES}/initdb`) && has('psql')
if (slow && !hasPostgres) console.warn('postgresql is not installed: the tests of a tunnel to it are skipped')

async function redisBehind() {
  const { folder } = await temporaryFolder()
  const server = new RedisServer(join(folder, 'redis.sock'), [])
  await server.start()
  onTestFinished(() => server.kill())
  const scene = await startTunnel({ serving: { to: { path: server.path } } })
  return {
    scene,
    cli: (...args: string[]) => run('redis-cli', ['-p', String(scene.at), ...args], folder),
    folder,
  }
}

describe.skipIf(!hasRedis)('Redis behind a tunnel', () => {
  it('answers redis-cli as it does without', async () => {
    const { cli, scene } = await redisBehind()
    const large = 'x'.repeat(100_000)
    expect((await cli('SET', 'large', large)).out).toBe('OK\n')
    expect((await cli('GET', 'large')).out).toBe(`${large}\n`)
    // Whoever comes without a ticket is cut off.
    const { out, err, code } = await run('redis-cli', ['-p', String(scene.served), 'GET', 'large'], root)
    expect([out.trim() === '', code === 0 && err === '']).toEqual([true, false])
  })

  it.skipIf(!slow)('serves redis-benchmark on hundreds of connections at once', async () => {
    const { folder, scene } = await redisBehind()
    for (const more of [
      ['-c', '300'],
      ['-c', '50', '-P', '16', '-d', '4096'],
    ]) {
      const args = ['-p', String(scene.at), '-n', '20000', '-t', 'set,get', '-q', ...more]
      const { code, out, err } = await run('redis-benchmark', args, folder)
      expect([code, err]).toEqual([0, ''])
      expect(out).toMatch(/SET: .* requests per second[\s\S]*GET: .* requests per second/)
    }
  })
})

describe.skipIf(!slow || !hasPostgres)('PostgreSQL behind a tunnel', () => {
  it('serves psql, a copy of many rows, a cancelled query, and pgbench', async () => {
    const { folder } = await temporaryFolder()
    chmodSync(folder, 0o755)
    // It refuses to run as root.
    const asPostgres = (program: string, ...args: string[]) =>
      run('runuser', ['-u', 'postgres', '--', join(POSTGRES, program), ...args], '/')
    const made = join(folder, 'own')
    await run('mkdir', [made], folder)
    const { out } = await run('id', ['-u', 'postgres'], '/')
    chownSync(made, Number(out), -1)
    const place = join(made, 'data')
    expect((await asPostgres('initdb', '--no-sync', '-A', 'trust', '-D', place)).code).toBe(0)
    const start = await asPostgres(
      'pg_ctl',
      '-w',
      '-D',
      place,
      '-l',
      join(made, 'log'),
      '-o',
      `-k ${made} -h ''`,
      'start',
    )
    expect(start.code, start.err).toBe(0)
    onTestFinished(async () => {
      await asPostgres('pg_ctl', '-w', '-D', place, '-m', 'immediate', 'stop')
    })
    const scene = await startTunnel({ serving: { to: { path: join(made, '.s.PGSQL.5432') } } })
    const where = ['-h', '127.0.0.1', '-p', String(scene.at), '-U', 'postgres']
    const psql = (sql: string) => run('psql', [...where, '-qAt', '-c', sql], '/', '')
    expect((await psql('select 6 * 7')).out).toBe('42\n')
    await psql('create table many as select generate_series(1, 200000) as n')
    const copied = await psql('copy many to stdout')
    expect(copied.out.trim().split('\n').length).toBe(200_000)
    expect((await psql("set statement_timeout = '50ms'; select pg_sleep(60)")).err).toContain(
      'statement timeout',
    )
    expect((await run('pgbench', [...where, '-i', '-q', 'postgres'], '/')).code).toBe(0)
    const bench = await run('pgbench', [...where, '-S', '-c', '40', '-T', '5', 'postgres'], '/')
    expect([bench.code, /number of failed transactions: 0/.test(bench.out)]).toEqual([0, true])
    // What psql says first looks like the beginning of a frame. So it is cut off when the time for an opening is over.
    const direct = ['-h', '127.0.0.1', '-p', String(scene.served), '-U', 'postgres', '-c', 'select 1']
    let refused: Ended | undefined
    void run('psql', direct, '/').then(ended => {
      refused = ended
    })
    await expect
      .poll(
        () => {
          scene.realm.clock.advance(MINUTE)
          return refused
        },
        { timeout: 10_000 },
      )
      .toMatchObject({ code: 2, out: '', err: expect.stringContaining('closed the connection') })
  })
})

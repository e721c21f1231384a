import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createEtcd } from '../../kdc/store/etcd/client/client.js'
import { freePort, startProgram } from '../programs.js'

/** A member of etcd of its own, with its data in a temporary folder. */

export const hasEtcd = isThere()

function isThere(): boolean {
  try {
    execFileSync('etcd', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

export interface EtcdMember {
  readonly url: string
  stop(): Promise<void>
}

const TRIES = 500
const PAUSE = 20

export async function startEtcd(): Promise<EtcdMember> {
  const folder = mkdtempSync(join(tmpdir(), 'orthrus-bench-etcd-'))
  const [url, peer] = [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}`]
  const { stop } = await startProgram(
    [
      ...['etcd', '--name', 'one', '--data-dir', folder, '--log-level', 'error', '--logger', 'zap'],
      ...['--listen-client-urls', url, '--advertise-client-urls', url],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
      ...['--initial-cluster', `one=${peer}`],
    ],
    process.env,
  )
  const end = async (): Promise<void> => {
    await stop()
    rmSync(folder, { recursive: true })
  }
  try {
    await untilReady(url)
  } catch (cause) {
    await end()
    throw cause
  }
  return { url, stop: end }
}

async function untilReady(url: string): Promise<void> {
  const client = createEtcd({ endpoints: [url] })
  try {
    for (let tries = 0; ; tries++) {
      const failure = await client.range({ key: 'ready' }).then(
        () => undefined,
        (cause: unknown) => cause,
      )
      if (failure === undefined) return
      if (tries === TRIES) throw failure
      await sleep(PAUSE)
    }
  } finally {
    await client.close()
  }
}

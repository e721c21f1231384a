import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { endAtLast, root } from '../end-to-end/processes.js'
import type { FaultRealm } from '../support/folder-realm.js'

/** A service as a process of its own, of the package as it is built. */
export interface ServiceProcess {
  readonly url: string
  readonly child: ChildProcess
  /** What its handler saw, as `POST /target`, also of a process that is gone. */
  readonly handled: readonly string[]
  /** What it said on standard error. */
  log(): string
  end(signal: NodeJS.Signals): Promise<number | null>
}

/** @param nodeFlags as `--import` */
export async function startService(
  realm: FaultRealm,
  name: string,
  nodeFlags: readonly string[] = [],
): Promise<ServiceProcess> {
  const keytab = join(realm.folder, `${name}.keytab`)
  await writeFile(keytab, realm.keytab(name), { mode: 0o600 })
  const args = [...nodeFlags, join(root, 'test/faults/service-process.mjs'), keytab]
  const child = endAtLast(spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] }))
  let log = ''
  child.stderr.on('data', chunk => {
    log += String(chunk)
  })
  // With its output read to the end, which may be later than its exit.
  const closed = once(child, 'close')
  const lines = createInterface({ input: child.stdout })
  const handled: string[] = []
  const [url] = await Promise.race([once(lines, 'line'), closed])
  if (typeof url !== 'string') throw new Error(`the service did not start: ${log}`)
  lines.on('line', line => handled.push(line))
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    const [code] = (await closed) as [number | null]
    return code
  }
  return { url, child, handled, log: () => log, end }
}

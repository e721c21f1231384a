import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'

/** Programs of others that are measured beside ours, where they are installed. */

/** Ends with this process, however that ends. */
const LIVES_WITH_US = '"$@" & echo $!; read -r _; kill -9 $!; wait'

export interface Program {
  readonly pid: number
  stop(): Promise<void>
}

/** @param command the program, and its arguments */
export async function startProgram(command: readonly string[], env: NodeJS.ProcessEnv): Promise<Program> {
  const shell = spawn('sh', ['-c', LIVES_WITH_US, 'sh', ...command], {
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const pid = Number(await firstLine(shell))
  return {
    pid,
    stop: async () => {
      const ended = once(shell, 'exit')
      shell.stdin?.end()
      await ended
    },
  }
}

async function firstLine(shell: ChildProcess): Promise<string> {
  const [data] = await once(shell.stdout ?? shell, 'data')
  shell.stdout?.resume()
  return String(data)
}

/** For a program that does not say which port it took: one that was free. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

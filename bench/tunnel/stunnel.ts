import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { Identity } from '../first-call/certificate.js'
import { freePort, type Program, startProgram } from '../programs.js'

/** Both ends of a tunnel by stunnel: TLS 1.3 with certificates on both sides, and its settings as they are by default. */

const PROGRAM = '/usr/bin/stunnel4'

/** Debian has it in the package stunnel4. */
export const hasStunnel = process.platform === 'linux' && existsSync(PROGRAM)

/** Linux counts in hundredths of a second: microseconds. */
const TICK = 10_000
/** How long it may take until it listens, and the pause between two looks, milliseconds. */
const WAIT = { MOST: 10_000, PAUSE: 20 } as const

export interface Stunnel {
  /** Of its near end. */
  readonly port: number
  /** Microseconds of CPU that both of its ends have used so far, with all their threads. */
  cpu(): number
  stop(): Promise<void>
}

export interface StunnelOptions {
  /** The port of the server behind it. */
  readonly to: number
  readonly authority: string
  readonly identity: Identity
  /** Whether a connection goes on with the session of one before, without certificates. Its default is that it does. */
  readonly resumes: boolean
}

export async function startStunnel({ to, authority, identity, resumes }: StunnelOptions): Promise<Stunnel> {
  const folder = mkdtempSync(join(tmpdir(), 'orthrus-bench-stunnel-'))
  const [far, port] = [await freePort(), await freePort()]
  const write = (name: string, content: string): string => {
    const path = join(folder, name)
    writeFileSync(path, content, { mode: 0o600 })
    return path
  }
  const mutual = [
    `cert = ${write('certificate.pem', identity.certificate)}`,
    `key = ${write('key.pem', identity.key)}`,
    `CAfile = ${write('authority.pem', authority)}`,
    'verifyChain = yes',
    'sslVersion = TLSv1.3',
    `sessionResume = ${resumes ? 'yes' : 'no'}`,
  ]
  const settings = (...lines: readonly string[]): string =>
    ['foreground = quiet', 'debug = err', 'pid =', '[bench]', ...lines, ...mutual, ''].join('\n')
  const accepts = (accepted: number, onward: number): string[] => [
    `accept = 127.0.0.1:${accepted}`,
    `connect = 127.0.0.1:${onward}`,
  ]
  const ends: readonly Program[] = [
    await startProgram([PROGRAM, write('far.conf', settings(...accepts(far, to)))], process.env),
    await startProgram(
      [PROGRAM, write('near.conf', settings('client = yes', ...accepts(port, far)))],
      process.env,
    ),
  ]
  const stop = async (): Promise<void> => {
    await Promise.all(ends.map(end => end.stop()))
    rmSync(folder, { recursive: true })
  }
  try {
    for (const each of [far, port]) await untilListening(each)
  } catch (cause) {
    await stop()
    throw cause
  }
  return { port, stop, cpu: () => ends.reduce((sum, { pid }) => sum + cpuOf(pid), 0) }
}

async function untilListening(port: number): Promise<void> {
  for (let waited = 0; waited < WAIT.MOST; waited += WAIT.PAUSE) {
    const isThere = await new Promise<boolean>(resolve => {
      const socket = connect({ port, host: '127.0.0.1' })
      socket.on('connect', () => {
        socket.destroy()
        resolve(true)
      })
      socket.on('error', () => resolve(false))
    })
    if (isThere) return
    await setTimeout(WAIT.PAUSE)
  }
  throw new Error('stunnel does not listen')
}

function cpuOf(pid: number): number {
  // The name of the program, in brackets, may have spaces.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) * TICK
}

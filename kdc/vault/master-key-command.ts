import { execFile } from 'node:child_process'
import { OrthrusError } from '../../shared/errors.js'
import { codeOf } from '../../shared/folder.node.js'
import { MASTER_KEY_FILE } from '../../shared/keytab/private-file.js'
import { SECOND } from '../../shared/time.js'

/** A vault or a key service may want to be asked for a while, and must not keep a KDC from saying what is wrong. */
const TIME_MAX = 30 * SECOND

/** How much of what the command says of its failure is repeated, characters. */
const SHOWN_MAX = 200

/**
 * What a program prints to standard output. It is started as it is, without a shell, with nothing on standard input.
 * @param time how long it may take, milliseconds
 * @returns bytes that the caller may overwrite
 * @throws OrthrusError `keytab_invalid` if it cannot be started, fails, prints too much or takes too long
 */
export async function runForMasterKey(
  [program = '', ...args]: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  time: number = TIME_MAX,
): Promise<Uint8Array> {
  const options = {
    env,
    encoding: 'buffer',
    timeout: time,
    killSignal: 'SIGKILL',
    maxBuffer: MASTER_KEY_FILE.sizeMax,
    windowsHide: true,
  } as const
  return await new Promise((resolve, reject) => {
    const child = execFile(program, args, options, (failure, out, err) => {
      if (failure === null) return resolve(out)
      out.fill(0)
      const isLate = failure.killed === true && codeOf(failure) !== TOO_MUCH
      reject(failed(program, isLate ? `took longer than ${time / SECOND} s` : reasonOf(failure), err))
    })
    child.stdin?.on('error', () => {}).end()
  })
}

const TOO_MUCH = 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER'

interface Failure extends Error {
  readonly code?: unknown
  readonly signal?: unknown
}

function reasonOf(failure: Failure): string {
  const { code, signal } = failure
  if (code === TOO_MUCH) return `printed more than ${MASTER_KEY_FILE.sizeMax} bytes`
  if (typeof code === 'number') return `ended with code ${code}`
  if (signal !== undefined && signal !== null) return `was ended by ${String(signal)}`
  return `could not be started: ${codeOf(failure)}`
}

/** Without the cause, which has the whole command line in its message. */
function failed(program: string, reason: string, err: Uint8Array): OrthrusError {
  const [line = ''] = Buffer.from(err).toString('utf8').trim().split('\n')
  const said = line === '' ? '' : `: ${line.slice(0, SHOWN_MAX)}`
  return new OrthrusError('keytab_invalid', `the command ${program} for the master key ${reason}${said}`, {
    final: true,
    hint: 'it must print the master key to standard output and end with code 0; try it as the user of the KDC',
  })
}

import { stat } from 'node:fs/promises'
import { equalBytes } from '#primitives'
import { SIZE } from '../../shared/constants.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { SECOND } from '../../shared/time.js'

/**
 * Keys that are in the memory of the kernel and on no disk, for one user of one machine, until they are erased, they end or the
 * machine stops: on Linux the keyring of the user, by the program `keyctl` (keyutils). A file that is sealed under such a key is of no
 * use where it was copied to.
 */
export interface SessionKeys {
  /** The 32 bytes, `undefined` if there are none of this name. Never rejects. */
  find(name: string): Promise<Uint8Array | undefined>
  /**
   * Draws a key, and keeps it for that many milliseconds. Never rejects.
   * @returns `undefined` where the platform keeps none
   */
  make(name: string, lifetime: number): Promise<Uint8Array | undefined>
  /** Never rejects. */
  erase(name: string): Promise<void>
}

/** Where there is nothing of the kind. */
export const NO_SESSION_KEYS: SessionKeys = {
  find: async () => undefined,
  make: async () => undefined,
  erase: async () => {},
}

/** The only places where it is looked for: whoever can put a program on the PATH of a person must not be given keys by this. */
const PROGRAMS = ['/usr/bin/keyctl', '/bin/keyctl', '/run/current-system/sw/bin/keyctl']

/** The keyring of the user, whichever of its sessions asks. */
const KEYRING = '@u'
const TYPE = 'user'
const OTHERS_WRITE = 0o022
/** How long the program may take, milliseconds. The kernel answers at once. */
const TIME_MAX = 2 * SECOND
/** How much it may print, bytes: a number or a key. */
const OUTPUT_MAX = 4 * 1024

class KernelKeys implements SessionKeys {
  readonly #program: string

  constructor(program: string) {
    this.#program = program
  }

  async find(name: string): Promise<Uint8Array | undefined> {
    const id = await this.#idOf(name)
    const key = id === undefined ? undefined : await this.#run(['pipe', id])
    return key?.length === SIZE.KEY ? new Uint8Array(key) : undefined
  }

  async make(name: string, lifetime: number): Promise<Uint8Array | undefined> {
    const key = systemRandom(SIZE.KEY)
    const id = idIn(await this.#run(['padd', TYPE, name, KEYRING], key))
    if (id === undefined) return undefined
    await this.#run(['timeout', id, String(Math.ceil(lifetime / SECOND))])
    // As the next command finds it, or not at all.
    const found = await this.find(name)
    if (found !== undefined && equalBytes(found, key)) return key
    await this.erase(name)
    return undefined
  }

  async erase(name: string): Promise<void> {
    const id = await this.#idOf(name)
    if (id !== undefined) await this.#run(['unlink', id, KEYRING])
  }

  async #idOf(name: string): Promise<string | undefined> {
    return idIn(await this.#run(['search', KEYRING, TYPE, name]))
  }

  /** Without a shell, and with no secret among its arguments. @returns `undefined` if it fails */
  #run(args: readonly string[], input?: Uint8Array): Promise<Buffer | undefined> {
    const options = {
      env: { LC_ALL: 'C' },
      cwd: '/',
      encoding: 'buffer',
      timeout: TIME_MAX,
      killSignal: 'SIGKILL',
      maxBuffer: OUTPUT_MAX,
    } as const
    // Few clients have such a key, and to load this takes all of them longer.
    const { execFile } = process.getBuiltinModule('node:child_process')
    return new Promise(resolve => {
      const child = execFile(this.#program, args, options, (failure, out) => {
        resolve(failure === null ? out : undefined)
      })
      child.stdin?.on('error', () => {}).end(input)
    })
  }
}

function idIn(out: Buffer | undefined): string | undefined {
  return /^([0-9]{1,10})\n?$/.exec(out?.toString('latin1') ?? '')?.[1]
}

/** Those of this machine. It takes a look at the disk, and starts nothing. */
export async function systemSessionKeys(programs: readonly string[] = PROGRAMS): Promise<SessionKeys> {
  if (process.platform !== 'linux') return NO_SESSION_KEYS
  for (const program of programs) {
    const facts = await stat(program).catch(() => undefined)
    if (facts?.isFile() === true && facts.uid === 0 && (facts.mode & OTHERS_WRITE) === 0)
      return new KernelKeys(program)
  }
  return NO_SESSION_KEYS
}

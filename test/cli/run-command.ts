import { run } from '../../cli/run.js'

/** What a command in this process did, and what it wrote. */
export interface Outcome {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** The same, with standard output byte by byte. */
export interface BytesOutcome extends Omit<Outcome, 'out'> {
  readonly out: Buffer
}

export interface Surroundings {
  readonly env?: Record<string, string | undefined>
  readonly outIsTerminal?: boolean
}

export async function runCommand(args: readonly string[], surroundings?: Surroundings): Promise<Outcome> {
  const outcome = await runForBytes(args, surroundings)
  return { ...outcome, out: outcome.out.toString('utf8') }
}

export async function runForBytes(
  args: readonly string[],
  { env = {}, outIsTerminal = false }: Surroundings = {},
): Promise<BytesOutcome> {
  const out: Uint8Array[] = []
  let err = ''
  const terminal = {
    out: (data: string | Uint8Array) => {
      out.push(Buffer.from(data as string))
    },
    err: (text: string) => {
      err += text
    },
    env,
    outIsTerminal,
  }
  const code = await run(args, terminal)
  return { code, out: Buffer.concat(out), err }
}

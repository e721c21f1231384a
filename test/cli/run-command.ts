import { run } from '../../cli/run.js'

/** What a command in this process did, and what it wrote. */
export interface Outcome {
  readonly code: number
  readonly out: string
  readonly err: string
}

export async function runCommand(
  args: readonly string[],
  env: Record<string, string | undefined> = {},
): Promise<Outcome> {
  let [out, err] = ['', '']
  const terminal = {
    out: (text: string) => {
      out += text
    },
    err: (text: string) => {
      err += text
    },
    env,
  }
  const code = await run(args, terminal)
  return { code, out, err }
}

import { readFile } from 'node:fs/promises'

/** What outlives a process of this machine, and ends when the machine is started again. */
export interface Machine {
  /** Which start of the machine this is; empty where the system has no name for it. */
  boot(): Promise<string>
  /** Milliseconds since some instant of this start of the machine, the same for all processes. Never stepped. */
  uptime(): number
}

const BOOT_ID = '/proc/sys/kernel/random/boot_id'

export const systemMachine: Machine = {
  boot: async () => (await readFile(BOOT_ID, 'utf8').catch(() => '')).trim(),
  uptime: () => Number(process.hrtime.bigint() / 1_000_000n),
}

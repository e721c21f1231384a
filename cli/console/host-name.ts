/** A name or an address with or without a port, in lower case, as the header `Host` has it. */
export const HOST = /^(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(?::(\d{1,5}))?$/

/** @returns whether `--console-host` takes it */
export function isHost(text: string): boolean {
  return HOST.test(text.toLowerCase())
}

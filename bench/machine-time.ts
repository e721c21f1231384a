/** Milliseconds of the one clock that all processes of the machine have. */
export function machineTime(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

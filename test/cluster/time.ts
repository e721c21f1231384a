/** Milliseconds of the machine's monotonic clock, which the driver and the processes of the KDCs share. */
export function machineTime(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** Runs `run` once after that many milliseconds, unless the function returned is called first. */
export type Schedule = (run: () => void, milliseconds: number) => () => void

export const systemSchedule: Schedule = (run, milliseconds) => {
  const timer = setTimeout(run, milliseconds)
  return () => clearTimeout(timer)
}

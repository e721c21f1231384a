/** The WebSockets of one end of a proxy. */
export interface Upgrades {
  /** Takes no more, lets those that are open end, and gives up what is open after that many milliseconds. */
  close(patience: number): Promise<void>
}

import { signal } from '@preact/signals'

/** What a screen reader is told. Two places in turn, as the same text a second time would not be read. */
const told = signal<readonly [string, string]>(['', ''])
let turn = 0

/** Says something to those who do not see the page. Call it for what happens by itself, not for what focus shows. */
export function announce(text: string): void {
  turn = 1 - turn
  told.value = turn === 0 ? [text, ''] : ['', text]
}

/** What was told is not for whoever comes next. */
export function forgetAnnounced(): void {
  told.value = ['', '']
}

export function Announcer() {
  const [one, other] = told.value
  return (
    <div class="unseen" aria-live="polite">
      <p>{one}</p>
      <p>{other}</p>
    </div>
  )
}
